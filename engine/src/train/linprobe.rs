//! The linear probe: a classifier on the CLS features of a frozen encoder.

use rand_chacha::ChaCha8Rng;
use shared::{
    Phase, Rgb8, RunEvent, Trigger,
    metric::Evaluation,
    stream::{Purpose, stream, uniform},
    study::{ProbeFeatures, ProbeOptimizer, ProbeSpec},
};

use super::{
    accumulate::Accumulated,
    batches::Batches,
    features::{Encoder, Kept},
    poisons::Poisons,
    report::Reporter,
};
use crate::{
    EngineError,
    data::{
        DataError, Pixels, Sample,
        augment::{Filter, eval_transform, random_flip, random_resized_crop_single},
    },
    eval,
    model::Classifier,
    optim::{AdamW, Lars, Optimizer, Schedule},
};

/// Betas of a classifier's training.
const BETAS: (f64, f64) = (0.9, 0.999);

/// What a linear probe needs besides its classifier.
pub struct LinearProbe<'a> {
    /// The recipe.
    pub recipe: &'a ProbeSpec,
    /// The frozen encoder.
    pub encoder: Encoder<'a>,
    /// Training and test images.
    pub pixels: &'a Pixels,
    /// What the attacker adds to the training images.
    pub poisons: Poisons<'a>,
    /// The trigger, ready for test images.
    pub trigger: &'a Trigger,
    /// The trigger in words that tell it from every other, for kept features.
    pub trigger_name: &'a str,
    /// The attacker's class.
    pub target_class: u32,
    /// Seed of order and augmentation.
    pub seed: u64,
}

/// Features that the training needs from its beginning.
struct Features {
    /// Of all training samples and of their mirror images; empty when they are computed batch by batch.
    train: Vec<f32>,
    mirrored: Vec<f32>,
    test: Vec<f32>,
    triggered: Vec<f32>,
}

impl LinearProbe<'_> {
    /// The batches to train on.
    pub fn batches(&self) -> Batches {
        let samples = self.pixels.train.len() + self.poisons.len();
        let size = self.recipe.batch_size as usize;
        Batches { samples, size, epochs: self.recipe.epochs, seed: self.seed }
    }

    /// Trains the classifier and returns its last evaluation.
    ///
    /// # Errors
    /// When the loss is no number any more, or an event cannot be kept.
    pub fn train(
        &self,
        classifier: &mut Classifier,
        kept: &Kept<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Evaluation, EngineError> {
        let ProbeSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *self.recipe;
        let step_size = self.recipe.batch_size * self.recipe.accumulate;
        let schedule = Schedule::new(base_lr, min_lr, step_size, warmup_epochs, epochs);
        let mut accumulated = Accumulated::new(self.recipe.accumulate);
        let mut optimizer = self.optimizer(classifier);
        let features = self.prepare(kept, report)?;
        let labels = |split: &[Sample]| split.iter().map(|s| s.class).collect::<Vec<u32>>();
        let mut train_labels = labels(&self.pixels.train);
        train_labels.extend(self.poisons.labels());
        let test_labels = labels(&self.pixels.test);
        let mut evaluation = None;
        let mut gradients = vec![0.0; classifier.params().values().len()];
        let batches = self.batches();
        report.begin(&batches);
        for batch in batches.iter() {
            let lr = schedule.at(accumulated.epochs_done(&batch));
            let inputs = self.batch_features(&features, batch.epoch, &batch.samples)?;
            report.computes();
            let targets: Vec<u32> =
                batch.samples.iter().map(|&s| train_labels[s as usize]).collect();
            let loss = classifier.gradients(&inputs, &targets, &mut gradients);
            if !loss.is_finite() {
                return Err(EngineError::Diverged {
                    phase: Phase::Probe,
                    loss,
                    epoch: batch.epoch + 1,
                    lr,
                });
            }
            if accumulated.completes(&batch, &mut gradients) {
                optimizer.step(classifier.params_mut(), &gradients, lr);
            }
            report.step(&batch, loss, lr)?;
            let epoch = batch.epoch + 1;
            if batch.ends_epoch()
                && (epoch == epochs || epoch % self.recipe.evaluate_every.max(1) == 0)
            {
                let clean = classifier.scores(&features.test);
                let triggered = classifier.scores(&features.triggered);
                let (classes, target) = (self.pixels.classes.len(), self.target_class);
                let counts = eval::count(&test_labels, &clean, &triggered, classes, target);
                report.send(RunEvent::evaluated(epoch, &counts))?;
                evaluation = Some(counts);
                report.waits();
            }
        }
        evaluation.ok_or_else(|| EngineError::Order("a linear probe has at least one epoch".into()))
    }

    fn optimizer(&self, classifier: &Classifier) -> Box<dyn Optimizer> {
        let decay = self.recipe.weight_decay;
        match self.recipe.optimizer {
            ProbeOptimizer::Lars => Box::new(Lars::new(classifier.params(), decay)),
            ProbeOptimizer::AdamW => Box::new(AdamW::new(classifier.params(), BETAS, decay)),
        }
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
                self.encoder.features(split.len(), image, &what, report)
            })
        };
        let mut features = Features {
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
            features.train = of("training", train, &plain, report)?;
            features.mirrored = of("mirrored training", train, &mirrored, report)?;
            let n = self.poisons.len();
            let poison = |i: usize| Ok(eval_transform(&self.poisons.image(i)?, side));
            let what = "features (poisoned)";
            features.train.extend(self.encoder.features(n, poison, what, report)?);
            let poison = |i: usize| Ok(poison(i)?.mirrored());
            features.mirrored.extend(self.encoder.features(n, poison, what, report)?);
        }
        Ok(features)
    }

    /// One row for each sample: the image or, by chance, its mirror image; or a crop of it that goes through the encoder now.
    fn batch_features(
        &self,
        features: &Features,
        epoch: u32,
        samples: &[u32],
    ) -> Result<Vec<f32>, EngineError> {
        let rng =
            |sample: u32| stream(self.seed, Purpose::Augment, u64::from(epoch), u64::from(sample));
        if self.recipe.features == ProbeFeatures::Augmented {
            let image = |i: usize| self.augmented(samples[i], &mut rng(samples[i]));
            return self.encoder.features(samples.len(), image, "features", &mut ());
        }
        let width = self.encoder.width();
        let mut rows = Vec::with_capacity(samples.len() * width);
        for &sample in samples {
            let mirror = uniform(&mut rng(sample)) < 0.5;
            let source = if mirror { &features.mirrored } else { &features.train };
            rows.extend_from_slice(&source[sample as usize * width..][..width]);
        }
        Ok(rows)
    }

    fn augmented(&self, sample: u32, rng: &mut ChaCha8Rng) -> Result<Rgb8, DataError> {
        let clean = self.pixels.train.len();
        let (side, min_scale) = (self.pixels.side, self.recipe.crop_min_scale);
        let crop = |image: &Rgb8, rng: &mut ChaCha8Rng| {
            let image = random_resized_crop_single(image, side, min_scale, Filter::Bicubic, rng);
            random_flip(image, rng)
        };
        Ok(match (sample as usize).checked_sub(clean) {
            None => crop(&*self.pixels.train[sample as usize].image()?, rng),
            Some(i) => crop(&self.poisons.image(i)?, rng),
        })
    }
}
