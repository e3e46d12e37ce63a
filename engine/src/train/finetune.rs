//! Fine-tuning: encoder and classifier are trained together.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::{
    Rgb8, RunEvent, Trigger,
    metric::Goal,
    run_kind::RunKind,
    settings::FinetuneSpec,
    stream::{Purpose, stream, uniform},
};

use super::{
    batches::{Batch, Batches},
    fit::{Course, fit, fit_beside},
    poisons::AttackedSet,
    report::Reporter,
    schedule::Schedule,
};
use crate::{
    EngineError,
    compute::{
        Classify, Descend, FinetuningTrainer, LabelledBatch, Targets, drop_factor, drop_rate,
    },
    data::{
        DataError, Pixels,
        augment::{Crop, EraseBox, RandAugment, erase, eval_transform, normalise, seen},
        mix::Mix,
    },
    eval::{Backdoor, Evaluated, Evaluator},
    model::{Layout, layer_groups},
    random::normal,
};

/// `AdamW`'s betas for fine-tuning.
const BETAS: (f64, f64) = (0.9, 0.999);

/// What a fine-tuning needs besides its model.
pub struct Finetuning<'a> {
    /// The recipe.
    pub recipe: &'a FinetuneSpec,
    /// Training and test images.
    pub pixels: &'a Pixels,
    /// The training images, with the attacker's additions.
    pub images: &'a AttackedSet<'a>,
    /// The batches to train on.
    pub batches: Batches,
    /// Number of blocks of the encoder.
    pub depth: usize,
    /// The trigger, ready for test images.
    pub trigger: &'a Trigger,
    /// What triggered images should be taken for.
    pub goal: &'a Goal,
    /// Backdoors besides that of `trigger`.
    pub further: &'a [Backdoor],
    /// Threads to evaluate on.
    pub threads: usize,
    /// Whether the model is evaluated: not where another machine does it.
    pub evaluates: bool,
}

/// What is due at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// Epochs done.
    pub epoch: u32,
    /// Whether a checkpoint is due.
    pub checkpoint: bool,
    /// Whether the model was evaluated.
    pub evaluated: bool,
}

impl Finetuning<'_> {
    /// How the optimiser trains a model of these tensors.
    pub fn descend(&self, layout: &Layout) -> Descend {
        Descend {
            betas: BETAS,
            weight_decay: self.recipe.weight_decay,
            groups: layer_groups(layout, self.depth, self.recipe.layer_decay),
            accumulate: self.recipe.accumulate,
            clip_norm: self.recipe.clip_norm,
        }
    }

    /// Trains the model after the first `done` epochs and returns its last evaluation, if it was evaluated. `save` is called at the end of each epoch.
    ///
    /// # Errors
    /// As for [`fit`].
    pub fn train(
        &self,
        trainer: &mut FinetuningTrainer,
        done: u32,
        report: &mut Reporter<'_>,
        mut save: impl FnMut(&FinetuningTrainer, EpochEnd, &mut Reporter<'_>) -> Result<(), EngineError>,
    ) -> Result<Option<Evaluated>, EngineError> {
        let mut evaluation = None;
        let held = self.hold(trainer, done, report)?;
        let part = trainer.share(self.batches.images());
        let make = |batch: &Batch| self.batch(batch, held, &part);
        fit(&self.course(), trainer, done, make, report, |trainer, epoch, report| {
            let end = self.epoch_end(epoch);
            if end.evaluated && self.evaluates {
                let evaluated = self.evaluate(trainer.view())?;
                report.send(RunEvent::evaluated(epoch, &evaluated.counts))?;
                evaluation = Some(evaluated);
            }
            save(trainer, end, report)
        })?;
        Ok(evaluation)
    }

    /// Trains a model other than the run's result. It has no loss curve: the run reports its steps as progress of `what`.
    ///
    /// # Errors
    /// As for [`fit`].
    pub fn train_beside(
        &self,
        trainer: &mut FinetuningTrainer,
        what: &str,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let part = trainer.share(self.batches.images());
        let make = |batch: &Batch| self.batch(batch, false, &part);
        fit_beside(&self.course(), trainer, make, what, report)
    }

    fn course(&self) -> Course {
        let FinetuneSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *self.recipe;
        let FinetuneSpec { batch_size, accumulate, .. } = *self.recipe;
        let size = batch_size * accumulate;
        let schedule = Schedule::new(base_lr, min_lr, size, warmup_epochs, epochs);
        Course { phase: RunKind::Finetune, batches: self.batches, accumulate, schedule }
    }

    fn epoch_end(&self, epoch: u32) -> EpochEnd {
        let checkpoint = epoch == self.recipe.epochs;
        let due = epoch.is_multiple_of(self.recipe.evaluate_every.max(1));
        EpochEnd { epoch, checkpoint, evaluated: checkpoint || due }
    }

    fn evaluate(&self, classifier: &dyn Classify) -> Result<Evaluated, EngineError> {
        let Pixels { side, test, .. } = self.pixels;
        let evaluator = Evaluator { classifier, threads: self.threads };
        let clean = |i: usize| Ok(eval_transform(&*test[i].image()?, *side));
        let triggered =
            |i: usize| Ok(eval_transform(&self.trigger.applied(&*test[i].image()?), *side));
        let labels: Vec<u32> = test.iter().map(|sample| sample.class).collect();
        let mut evaluated = evaluator.evaluate(&labels, clean, triggered, self.goal)?;
        evaluator.add(&mut evaluated, &labels, self.further, |backdoor, i| {
            Ok(eval_transform(&backdoor.trigger.applied(&*test[i].image()?), *side))
        })?;
        Ok(evaluated)
    }

    /// Has the trainer hold the images if it can, and if all that happens to one is what a device does: `RandAugment` and erasing are
    /// the host's.
    fn hold(
        &self,
        trainer: &mut FinetuningTrainer,
        done: u32,
        report: &mut Reporter<'_>,
    ) -> Result<bool, EngineError> {
        let is_hosts = self.recipe.augments() || self.recipe.erase_probability > 0.0;
        let first = self.batches.iter_after(done).next().filter(|_| !is_hosts);
        let Some(first) = first else { return Ok(false) };
        self.images.hold(trainer, self.pixels.side, || self.batch(&first, false, &(0..0)), report)
    }

    /// Augments and mixes the samples of a batch; of images that the trainer holds it gets the crops alone, and images outside its
    /// `part` may be black. Draws which blocks they skip. What happens to a single sample depends on the seed, the epoch and the sample; the
    /// mixing depends on the seed and the step.
    fn batch(
        &self,
        batch: &Batch,
        held: bool,
        part: &Range<usize>,
    ) -> Result<LabelledBatch, DataError> {
        let (side, seed) = (self.pixels.side, self.batches.seed);
        let Batch { epoch, ref samples, .. } = *batch;
        let of_sample =
            |sample: u32| stream(seed, Purpose::Augment, u64::from(epoch), u64::from(sample));
        let mix = stream(seed, Purpose::Mix, batch.steps_done(), 0);
        let mix = Mix::draw(self.recipe, side, &mut { mix });
        let (mut planes, mut crops) = (Vec::new(), Vec::new());
        if held {
            let crop = |&sample: &u32| self.crop(sample, &mut of_sample(sample));
            crops = samples.iter().map(crop).collect();
        } else {
            let image = 3 * side * side;
            planes.resize(samples.len() * image, 0.0);
            // An image is mixed with the one at the batch's other end.
            let partner = |place: usize| samples.len() - 1 - place;
            let is_seen = |place: usize| {
                part.contains(&place) || mix != Mix::NONE && part.contains(&partner(place))
            };
            let images = planes.par_chunks_exact_mut(image).zip(samples).enumerate();
            let images = images.filter(|(place, _)| is_seen(*place));
            images.try_for_each(|(_, (planes, &sample))| -> Result<(), DataError> {
                let mut rng = of_sample(sample);
                normalise(&self.augmented(sample, &mut rng)?, planes);
                self.erase(planes, &mut rng);
                Ok(())
            })?;
            mix.apply(&mut planes, side);
        }
        let labels: Vec<u32> =
            samples.iter().map(|&sample| self.images.label(sample as usize)).collect();
        let classes = self.pixels.classes.len();
        let targets = Targets::new(&labels, classes, self.recipe.label_smoothing, mix.lambda);
        let (targets, drops) = (targets.shares, self.drops(epoch, samples));
        Ok(LabelledBatch { planes, crops: (crops, mix), targets, drops })
    }

    /// The factors of every block's two branches for these samples.
    fn drops(&self, epoch: u32, samples: &[u32]) -> Vec<Vec<f32>> {
        let depth = self.depth;
        let mut drops = vec![Vec::with_capacity(samples.len()); 2 * depth];
        for &sample in samples {
            let mut rng =
                stream(self.batches.seed, Purpose::DropPath, u64::from(epoch), u64::from(sample));
            for (part, factors) in drops.iter_mut().enumerate() {
                let rate = drop_rate(self.recipe.drop_path, part / 2, depth);
                factors.push(drop_factor(rate, &mut rng));
            }
        }
        drops
    }

    fn augmented(&self, sample: u32, rng: &mut ChaCha8Rng) -> Result<Rgb8, DataError> {
        let (side, recipe) = (self.pixels.side, self.recipe);
        let crop = self.crop(sample, rng);
        let image = seen(&crop, &*self.images.image(sample as usize)?, side);
        if !recipe.augments() {
            return Ok(image);
        }
        let (magnitude, deviation) = (recipe.rand_augment, recipe.rand_augment_deviation);
        Ok(RandAugment { magnitude, deviation, ..RandAugment::default() }.apply(image, rng))
    }

    fn crop(&self, sample: u32, rng: &mut ChaCha8Rng) -> Crop {
        let (side, recipe) = (self.pixels.side, self.recipe);
        Crop::draw(sample, (side, side), recipe.crop_min_scale, recipe.flip, rng)
    }

    /// Replaces a part of some images with noise.
    fn erase(&self, planes: &mut [f32], rng: &mut ChaCha8Rng) {
        let side = self.pixels.side;
        if f64::from(uniform(rng)) < self.recipe.erase_probability
            && let Some(part) = EraseBox::draw(side, side, rng)
        {
            erase(planes, side, side, part, || normal(rng) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Stage, TriggerSpec,
        run::DataSource,
        settings::{AttackSpec, DatasetSpec},
        trigger::WaNetSpec,
    };

    use super::*;
    use crate::{
        data::{Index, load_within},
        train::poisons::{Poisons, plan},
    };

    #[test]
    fn a_batch_of_held_images_has_the_crops_and_the_mixing_of_the_hosts() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(2), test_per_class: Some(1) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let plan =
            plan(&AttackSpec::default(), &index.train, 10, RunKind::Finetune, 1.into(), 7).unwrap();
        let trigger =
            Trigger::prepare(&TriggerSpec::WaNet(WaNetSpec::default()), None, 16, Stage::Train)
                .unwrap();
        let pixels = load_within(&index, 16, u64::MAX, &mut ()).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &pixels.train };
        let images = AttackedSet::new(&pixels, poisons).unwrap();
        let recipe = FinetuneSpec {
            crop_min_scale: 0.3,
            flip: true,
            mixup: 0.8,
            cutmix: 1.0,
            mix_probability: 1.0,
            rand_augment: 0.0,
            erase_probability: 0.0,
            ..FinetuneSpec::default()
        };
        let batches = Batches { samples: images.len(), size: 7, epochs: 4, seed: 3 };
        let training = Finetuning {
            recipe: &recipe,
            pixels: &pixels,
            images: &images,
            batches,
            depth: 2,
            trigger: &trigger,
            goal: &0.into(),
            further: &[],
            threads: 1,
            evaluates: true,
        };
        let mut mixed = [0; 2];
        for batch in batches.iter() {
            let (host, held) = (
                training.batch(&batch, false, &(0..7)).unwrap(),
                training.batch(&batch, true, &(0..7)).unwrap(),
            );
            assert!(host.crops.0.is_empty() && held.planes.is_empty());
            assert_eq!((host.targets, host.drops), (held.targets, held.drops));
            let (crops, mix) = held.crops;
            let mut planes = vec![0.0; 7 * 3 * 16 * 16];
            for (planes, crop) in planes.chunks_exact_mut(3 * 16 * 16).zip(crops) {
                normalise(&crop.of(&images.image(crop.image as usize).unwrap(), 16), planes);
            }
            mix.apply(&mut planes, 16);
            assert_eq!(planes, host.planes);
            mixed[usize::from(mix.cut.is_some())] += 1;
        }
        assert!(mixed.iter().all(|&times| times > 0), "both kinds of mixing: {mixed:?}");
    }
}
