//! The linear probe: a classifier on the CLS features of a frozen encoder.

use rand_chacha::ChaCha8Rng;
use shared::{
    Rgb8, RunEvent, RunKind, Trigger,
    metric::Goal,
    settings::{ProbeFeatures, ProbeSpec},
    stream::{Purpose, stream, uniform},
};

use super::{
    batches::Batches,
    features::{Kept, features},
    fit::Course,
    poisons::{Members, Origin, Poisons},
    report::Reporter,
    schedule::Schedule,
};
use crate::{
    EngineError,
    compute::{Encode, HeadTrainer, LabelledFeatures},
    data::{
        DataError, Pixels, Sample,
        augment::{Filter, eval_transform, random_flip, random_resized_crop_single},
    },
    eval::Evaluated,
};

/// What a linear probe needs besides its classifier.
pub struct LinearProbe<'a> {
    /// The recipe.
    pub recipe: &'a ProbeSpec,
    /// The frozen encoder.
    pub encoder: &'a dyn Encode,
    /// Training and test images.
    pub pixels: &'a Pixels,
    /// The batches to train on.
    pub batches: Batches,
    /// What the attacker adds to the training images.
    pub poisons: Poisons<'a>,
    /// The trigger, ready for test images.
    pub trigger: &'a Trigger,
    /// A text that identifies the trigger, for stored features.
    pub trigger_name: &'a str,
    /// What triggered images should be taken for.
    pub goal: &'a Goal,
}

/// Features that are computed before the training.
struct Features {
    /// Where the samples of a batch come from.
    members: Members,
    /// Features of the clean training images, then of what the attacker makes, and of their mirror images; empty when they are computed batch by batch.
    train: Vec<f32>,
    mirrored: Vec<f32>,
    test: Vec<f32>,
    triggered: Vec<f32>,
}

impl LinearProbe<'_> {
    /// Trains the classifier and returns its last evaluation.
    ///
    /// # Errors
    /// When the loss is no longer finite, or an event cannot be stored.
    pub fn train(
        &self,
        trainer: &mut HeadTrainer,
        kept: &Kept<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Evaluated, EngineError> {
        let (course, epochs) = (self.course(), self.recipe.epochs);
        let features = self.prepare(kept, report)?;
        let labels = |split: &[Sample]| split.iter().map(|s| s.class).collect::<Vec<u32>>();
        let origins = features.members.origins();
        let train_labels: Vec<u32> = origins.map(|of| self.poisons.label_of(of)).collect();
        let test_labels = labels(&self.pixels.test);
        let mut evaluation = None;
        report.begin(&self.batches);
        for batch in self.batches.iter() {
            let step = course.step(&batch);
            let inputs = self.batch_features(&features, batch.epoch, &batch.samples)?;
            report.computes();
            let labels = batch.samples.iter().map(|&s| train_labels[s as usize]).collect();
            trainer.step(&LabelledFeatures { features: inputs, labels }, step)?;
            let loss = trainer.loss()?;
            course.check(&batch, loss, step.lr)?;
            report.step(&batch, loss, step.lr)?;
            let epoch = batch.epoch + 1;
            if batch.ends_epoch()
                && (epoch == epochs || epoch % self.recipe.evaluate_every.max(1) == 0)
            {
                let clean = trainer.view().scores(&features.test)?;
                let triggered = trainer.view().scores(&features.triggered)?;
                let (classes, goal) = (self.pixels.classes.len(), self.goal);
                let evaluated = Evaluated::of(&test_labels, &clean, &triggered, classes, goal);
                report.send(RunEvent::evaluated(epoch, &evaluated.counts))?;
                evaluation = Some(evaluated);
                report.waits();
            }
        }
        evaluation.ok_or_else(|| EngineError::Order("linear probes need at least one epoch".into()))
    }

    fn course(&self) -> Course {
        let ProbeSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *self.recipe;
        let ProbeSpec { batch_size, accumulate, .. } = *self.recipe;
        let size = batch_size * accumulate;
        let schedule = Schedule::new(base_lr, min_lr, size, warmup_epochs, epochs);
        Course { phase: RunKind::Probe, batches: self.batches, accumulate, schedule }
    }

    fn prepare(&self, kept: &Kept<'_>, report: &mut Reporter<'_>) -> Result<Features, EngineError> {
        let Pixels { side, train, test, .. } = self.pixels;
        let (side, width) = (*side, self.encoder.width());
        let plain = |image: &Rgb8| eval_transform(image, side);
        let mirrored = |image: &Rgb8| eval_transform(image, side).mirrored();
        let attacked = |image: &Rgb8| eval_transform(&self.trigger.applied(image), side);
        let of = |part: &str,
                  split: &[Sample],
                  change: &(dyn Fn(&Rgb8) -> Rgb8 + Sync),
                  report: &mut Reporter<'_>| {
            kept.get(part, width, split.len(), report, |report| {
                let what = format!("features ({})", part.split(':').next().unwrap_or(part));
                let image = |i: usize| Ok(change(&*split[i].image()?));
                features(self.encoder, split.len(), &image, &what, report)
            })
        };
        let mut prepared = Features {
            members: self.poisons.members(),
            train: Vec::new(),
            mirrored: Vec::new(),
            test: of("test", test, &plain, report)?,
            triggered: of(
                &format!("triggered test:{}", self.trigger_name),
                test,
                &attacked,
                report,
            )?,
        };
        if self.recipe.features == ProbeFeatures::Cached {
            prepared.train = of("training", train, &plain, report)?;
            prepared.mirrored = of("mirrored training", train, &mirrored, report)?;
            let n = self.poisons.len();
            let poison = |i: usize| Ok(eval_transform(&self.poisons.image(i)?, side));
            let what = "features (poisoned)";
            prepared.train.extend(features(self.encoder, n, &poison, what, report)?);
            let mirrored = |i: usize| Ok(poison(i)?.mirrored());
            prepared.mirrored.extend(features(self.encoder, n, &mirrored, what, report)?);
        }
        Ok(prepared)
    }

    /// One row for each sample: of the image or, at random, its mirror image; or of a random crop, which is encoded now.
    fn batch_features(
        &self,
        prepared: &Features,
        epoch: u32,
        samples: &[u32],
    ) -> Result<Vec<f32>, EngineError> {
        let rng = |sample: u32| {
            stream(self.batches.seed, Purpose::Augment, u64::from(epoch), u64::from(sample))
        };
        if self.recipe.features == ProbeFeatures::Augmented {
            let image = |i: usize| {
                let origin = prepared.members.origin(samples[i] as usize);
                self.augmented(origin, &mut rng(samples[i]))
            };
            return features(self.encoder, samples.len(), &image, "features", &mut ());
        }
        let width = self.encoder.width();
        let mut rows = Vec::with_capacity(samples.len() * width);
        for &sample in samples {
            let mirror = uniform(&mut rng(sample)) < 0.5;
            let source = if mirror { &prepared.mirrored } else { &prepared.train };
            let row = match prepared.members.origin(sample as usize) {
                Origin::Clean(i) => i,
                Origin::Made(i) => self.pixels.train.len() + i,
            };
            rows.extend_from_slice(&source[row * width..][..width]);
        }
        Ok(rows)
    }

    fn augmented(&self, origin: Origin, rng: &mut ChaCha8Rng) -> Result<Rgb8, DataError> {
        let (side, min_scale) = (self.pixels.side, self.recipe.crop_min_scale);
        let crop = |image: &Rgb8, rng: &mut ChaCha8Rng| {
            let image = random_resized_crop_single(image, side, min_scale, Filter::Bicubic, rng);
            random_flip(image, rng)
        };
        Ok(match origin {
            Origin::Clean(i) => crop(&*self.pixels.train[i].image()?, rng),
            Origin::Made(i) => crop(&self.poisons.image(i)?, rng),
        })
    }
}
