//! The linear probe: a classifier on the CLS features of a frozen encoder.

use rand_chacha::ChaCha8Rng;
use shared::{
    Rgb8, RunEvent, RunKind, Trigger,
    metric::Goal,
    settings::{ProbeFeatures, ProbeSpec},
    stream::{Purpose, stream, uniform},
};

use super::{
    batches::{Batch, Batches},
    features::{Kept, features},
    fit::Course,
    poisons::{Members, Origin, Poisons},
    report::Reporter,
    schedule::Schedule,
};
use crate::{
    EngineError,
    compute::{Encode, HeadTrainer, LabelledFeatures, Load},
    data::{
        DataError, Pixels, Sample,
        augment::{Filter, eval_transform, random_flip, random_resized_crop_single},
    },
    eval::{Backdoor, Evaluated},
    stop::Watch as _,
};

/// What a linear probe needs besides its classifier.
#[derive(Clone, Copy)]
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
    /// The samples of the attacked training set that it is trained on, as many as `batches` has.
    pub samples: &'a [usize],
    /// The trigger, ready for test images.
    pub trigger: &'a Trigger,
    /// A text that identifies the trigger, for stored features.
    pub trigger_name: &'a str,
    /// What triggered images should be taken for.
    pub goal: &'a Goal,
    /// Backdoors besides that of `trigger`.
    pub further: &'a [Backdoor],
}

/// What linear probes of one attacked set have in common, whichever samples they are trained on: features that are computed before the
/// training.
pub struct Prepared {
    members: Members,
    /// Features of the clean training images, then of what the attacker makes, and of their mirror images; empty when they are computed batch by batch.
    train: Vec<f32>,
    mirrored: Vec<f32>,
    /// Features of the test images that are evaluated, clean and triggered, and their labels.
    test: Vec<f32>,
    triggered: Vec<f32>,
    /// The same with the trigger of each further backdoor.
    further: Vec<Vec<f32>>,
    labels: Vec<u32>,
}

impl Prepared {
    /// Leaves out test images: they are not evaluated.
    pub fn without(&mut self, left_out: &[usize]) {
        let kept: Vec<usize> = (0..self.labels.len()).filter(|i| !left_out.contains(i)).collect();
        let width = self.test.len() / self.labels.len().max(1);
        for rows in [&mut self.test, &mut self.triggered].into_iter().chain(&mut self.further) {
            *rows = kept.iter().flat_map(|&i| &rows[i * width..][..width]).copied().collect();
        }
        self.labels = kept.iter().map(|&i| self.labels[i]).collect();
    }
}

impl LinearProbe<'_> {
    /// Trains the classifier and returns its last evaluation.
    ///
    /// # Errors
    /// When the loss is no longer finite, or an event cannot be stored.
    pub fn train(
        &self,
        trainer: &mut HeadTrainer,
        prepared: &Prepared,
        report: &mut Reporter<'_>,
    ) -> Result<Evaluated, EngineError> {
        let (epochs, every) = (self.recipe.epochs, self.recipe.evaluate_every.max(1));
        let mut evaluation = None;
        report.begin(&self.batches);
        self.steps(trainer, prepared, report, |trainer, batch, (loss, lr), report| {
            report.step(batch, loss, lr)?;
            let epoch = batch.epoch + 1;
            if batch.ends_epoch() && (epoch == epochs || epoch % every == 0) {
                let evaluated = self.evaluated(trainer, prepared)?;
                report.send(RunEvent::evaluated(epoch, &evaluated.counts))?;
                evaluation = Some(evaluated);
                report.waits();
            }
            Ok(())
        })?;
        evaluation.ok_or_else(|| EngineError::Order("linear probes need at least one epoch".into()))
    }

    /// Trains as [`train`](Self::train) does, to the same bits, in a run that is about something else: the only events are the progress of
    /// `what`.
    ///
    /// # Errors
    /// As for [`train`](Self::train).
    pub fn train_beside(
        &self,
        trainer: &mut HeadTrainer,
        prepared: &Prepared,
        what: &str,
        report: &mut Reporter<'_>,
    ) -> Result<Evaluated, EngineError> {
        let steps = self.batches.steps();
        self.steps(trainer, prepared, report, |_, batch, _, report| {
            report.progress(what, batch.steps_done(), steps);
            report.intact()
        })?;
        self.evaluated(trainer, prepared)
    }

    /// Takes all steps; `after` each of them comes with its loss and its learning rate.
    fn steps(
        &self,
        trainer: &mut HeadTrainer,
        prepared: &Prepared,
        report: &mut Reporter<'_>,
        mut after: impl FnMut(
            &mut HeadTrainer,
            &Batch,
            (f64, f64),
            &mut Reporter<'_>,
        ) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let course = self.course();
        let origins: Vec<Origin> =
            self.samples.iter().map(|&sample| prepared.members.origin(sample)).collect();
        let train_labels: Vec<u32> = origins.iter().map(|&of| self.poisons.label_of(of)).collect();
        for batch in self.batches.iter() {
            let step = course.step(&batch);
            let inputs = self.batch_features(prepared, &origins, batch.epoch, &batch.samples)?;
            report.computes();
            let labels = batch.samples.iter().map(|&s| train_labels[s as usize]).collect();
            trainer.step(&LabelledFeatures { features: inputs, labels }, step)?;
            let loss = trainer.loss()?;
            course.check(&batch, loss, step.lr)?;
            after(trainer, &batch, (loss, step.lr), report)?;
        }
        Ok(())
    }

    fn evaluated(
        &self,
        trainer: &HeadTrainer,
        prepared: &Prepared,
    ) -> Result<Evaluated, EngineError> {
        let clean = trainer.view().scores(&prepared.test)?;
        let triggered = trainer.view().scores(&prepared.triggered)?;
        let (labels, classes) = (&prepared.labels, self.pixels.classes.len());
        let mut evaluated = Evaluated::of(labels, &clean, &triggered, classes, self.goal);
        for (backdoor, features) in self.further.iter().zip(&prepared.further) {
            let scores = trainer.view().scores(features)?;
            evaluated.counts.add(backdoor.count(labels, &scores, classes));
        }
        Ok(evaluated)
    }

    fn course(&self) -> Course {
        let ProbeSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *self.recipe;
        let ProbeSpec { batch_size, accumulate, .. } = *self.recipe;
        let size = batch_size * accumulate;
        let schedule = Schedule::new(base_lr, min_lr, size, warmup_epochs, epochs);
        Course { phase: RunKind::Probe, batches: self.batches, accumulate, schedule }
    }

    /// Computes the features that probes of this attacked set need, whichever samples they are trained on.
    ///
    /// # Errors
    /// When an image cannot be read, the device fails, or an event cannot be stored.
    pub fn prepare(
        &self,
        kept: &Kept<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Prepared, EngineError> {
        let Pixels { side, train, test, .. } = self.pixels;
        let (side, width) = (*side, self.encoder.width());
        let plain = |image: &Rgb8| eval_transform(image, side);
        let mirrored = |image: &Rgb8| eval_transform(image, side).mirrored();
        let attacked =
            |trigger: &Trigger, image: &Rgb8| eval_transform(&trigger.applied(image), side);
        let rows = |n: usize, image: Load<'_>, what: &str, report: &mut Reporter<'_>| {
            let rows = features(self.encoder, n, image, what, &mut *report)?;
            // Features that were broken off are too few.
            report.intact()?;
            Ok(rows)
        };
        let of = |part: &str,
                  split: &[Sample],
                  change: &(dyn Fn(&Rgb8) -> Rgb8 + Sync),
                  report: &mut Reporter<'_>| {
            kept.get(part, width, split.len(), report, |report| {
                let what = format!("features ({})", part.split(':').next().unwrap_or(part));
                let image = |i: usize| Ok(change(&*split[i].image()?));
                rows(split.len(), &image, &what, report)
            })
        };
        let mut prepared = Prepared {
            members: self.poisons.members(),
            train: Vec::new(),
            mirrored: Vec::new(),
            test: of("test", test, &plain, report)?,
            triggered: of(
                &format!("triggered test:{}", self.trigger_name),
                test,
                &|image: &Rgb8| attacked(self.trigger, image),
                report,
            )?,
            further: Vec::new(),
            labels: test.iter().map(|sample| sample.class).collect(),
        };
        for backdoor in self.further {
            let part = format!("triggered test:{}", backdoor.name);
            let change = |image: &Rgb8| attacked(&backdoor.trigger, image);
            prepared.further.push(of(&part, test, &change, report)?);
        }
        if self.recipe.features == ProbeFeatures::Cached {
            prepared.train = of("training", train, &plain, report)?;
            prepared.mirrored = of("mirrored training", train, &mirrored, report)?;
            let n = self.poisons.len();
            let poison = |i: usize| Ok(eval_transform(&self.poisons.image(i)?, side));
            let what = "features (poisoned)";
            prepared.train.extend(rows(n, &poison, what, report)?);
            let mirrored = |i: usize| Ok(poison(i)?.mirrored());
            prepared.mirrored.extend(rows(n, &mirrored, what, report)?);
        }
        Ok(prepared)
    }

    /// One row for each sample: of the image or, at random, its mirror image; or of a random crop, which is encoded now.
    fn batch_features(
        &self,
        prepared: &Prepared,
        origins: &[Origin],
        epoch: u32,
        samples: &[u32],
    ) -> Result<Vec<f32>, EngineError> {
        let rng = |sample: u32| {
            stream(self.batches.seed, Purpose::Augment, u64::from(epoch), u64::from(sample))
        };
        if self.recipe.features == ProbeFeatures::Augmented {
            let image =
                |i: usize| self.augmented(origins[samples[i] as usize], &mut rng(samples[i]));
            return features(self.encoder, samples.len(), &image, "features", &mut ());
        }
        let width = self.encoder.width();
        let mut rows = Vec::with_capacity(samples.len() * width);
        for &sample in samples {
            let mirror = uniform(&mut rng(sample)) < 0.5;
            let source = if mirror { &prepared.mirrored } else { &prepared.train };
            let row = match origins[sample as usize] {
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
