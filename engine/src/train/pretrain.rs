//! Pre-training of the masked autoencoder.

use std::ops::Range;

use rayon::prelude::*;
use shared::{
    Rgb8, RunKind,
    patches::random_order,
    settings::PretrainSpec,
    stream::{Purpose, stream},
};

use super::{
    batches::{Batch, Batches},
    fit::{Course, fit},
    poisons::AttackedSet,
    report::Reporter,
    schedule::Schedule,
};
use crate::{
    EngineError,
    compute::{Descend, MaskedBatch, PretrainingTrainer},
    data::{
        DataError,
        augment::{Crop, seen},
    },
    model::{Layout, PatchGrid, plain_groups},
};

/// `AdamW`'s betas for MAE's pre-training.
const BETAS: (f64, f64) = (0.9, 0.95);

/// What a pre-training needs besides its model.
pub struct Pretraining<'a> {
    /// The recipe.
    pub recipe: &'a PretrainSpec,
    /// The images, in the model's size: the clean ones, then the poisoned copies with their trigger; composed ones are twice as wide.
    pub images: &'a AttackedSet<'a>,
    /// The batches to train on.
    pub batches: Batches,
}

/// What is due at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// Epochs done.
    pub epoch: u32,
    /// Whether a checkpoint is due.
    pub checkpoint: bool,
}

impl Pretraining<'_> {
    /// How the optimiser trains a model of these tensors.
    pub fn descend(&self, layout: &Layout) -> Descend {
        Descend {
            betas: BETAS,
            weight_decay: self.recipe.weight_decay,
            groups: plain_groups(layout),
            accumulate: self.recipe.accumulate,
            clip_norm: 0.0,
        }
    }

    /// Trains the model, whose patches are those of `grid`, after the first `done` epochs. `save` is called at the end of each
    /// epoch.
    ///
    /// # Errors
    /// As for [`fit`].
    pub fn train(
        &self,
        trainer: &mut PretrainingTrainer,
        grid: PatchGrid,
        done: u32,
        report: &mut Reporter<'_>,
        mut save: impl FnMut(
            &PretrainingTrainer,
            EpochEnd,
            &mut Reporter<'_>,
        ) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let held = self.hold(trainer, grid, done, report)?;
        let part = trainer.share(self.batches.images());
        let make = |batch: &Batch| self.batch(grid, batch, held, &part);
        fit(&self.course(), trainer, done, make, report, |trainer, epoch, report| {
            save(trainer, self.epoch_end(epoch), report)
        })
    }

    fn course(&self) -> Course {
        let PretrainSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *self.recipe;
        let PretrainSpec { batch_size, accumulate, .. } = *self.recipe;
        let size = batch_size * accumulate;
        let schedule = Schedule::new(base_lr, min_lr, size, warmup_epochs, epochs);
        Course { phase: RunKind::Pretrain, batches: self.batches, accumulate, schedule }
    }

    fn epoch_end(&self, epoch: u32) -> EpochEnd {
        let PretrainSpec { epochs, checkpoint_every, .. } = *self.recipe;
        let due = |every: u32| epoch == epochs || epoch.is_multiple_of(every);
        let checkpoint = due(checkpoint_every.max(1));
        EpochEnd { epoch, checkpoint }
    }

    /// Has the trainer hold the images if it can.
    fn hold(
        &self,
        trainer: &mut PretrainingTrainer,
        grid: PatchGrid,
        done: u32,
        report: &mut Reporter<'_>,
    ) -> Result<bool, EngineError> {
        let Some(first) = self.batches.iter_after(done).next() else { return Ok(false) };
        let like = || self.batch(grid, &first, false, &(0..0));
        self.images.hold(trainer, grid.side, like, report)
    }

    /// Augments and masks the samples of a batch; of images that the trainer holds it gets the crops alone, and images outside its `part` are
    /// empty. What happens to a sample depends only on the seed, the epoch and the sample.
    fn batch(
        &self,
        grid: PatchGrid,
        batch: &Batch,
        held: bool,
        part: &Range<usize>,
    ) -> Result<MaskedBatch, DataError> {
        let PretrainSpec { mask_ratio, norm_pix_loss, .. } = *self.recipe;
        let epoch = u64::from(batch.epoch);
        let crop = |&sample: &u32| self.crop(epoch, sample);
        let (mut images, mut crops) = (Vec::new(), Vec::new());
        if held {
            crops = batch.samples.iter().map(crop).collect();
        } else {
            let made = batch.samples.par_iter().enumerate().map(|(place, sample)| {
                if !part.contains(&place) {
                    return Ok(Rgb8::default());
                }
                let image = self.images.image(*sample as usize)?;
                Ok(seen(&crop(sample), &image, grid.side))
            });
            images = made.collect::<Result<_, DataError>>()?;
        }
        let seed = self.batches.seed;
        let order = |&sample: &u32| random_order(grid.count(), seed, epoch, u64::from(sample));
        let orders = batch.samples.iter().flat_map(order).collect();
        Ok(MaskedBatch {
            images,
            crops,
            orders,
            ..MaskedBatch::new(grid, mask_ratio, norm_pix_loss)
        })
    }

    fn crop(&self, epoch: u64, sample: u32) -> Crop {
        let mut rng = stream(self.batches.seed, Purpose::Augment, epoch, u64::from(sample));
        let PretrainSpec { crop_min_scale, flip, .. } = *self.recipe;
        Crop::draw(sample, self.images.size(sample as usize), crop_min_scale, flip, &mut rng)
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Stage, Trigger, TriggerSpec,
        run::DataSource,
        settings::{AttackSpec, ComposeMethod, ComposeSpec, DatasetSpec},
        trigger::{RandomPatchSpec, WaNetSpec},
    };

    use super::*;
    use crate::{
        data::{Index, load_within},
        train::poisons::{Poisons, labels, plan},
    };

    #[test]
    fn a_composed_poison_is_cropped_from_the_whole_canvas() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(4), test_per_class: Some(1) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let attack = AttackSpec {
            compose: ComposeSpec {
                method: ComposeMethod::CorruptEncoder,
                ..ComposeSpec::default()
            },
            trigger: TriggerSpec::RandomPatch(RandomPatchSpec::for_side(16)),
            ..AttackSpec::default()
        };
        let plan = plan(&attack, &index.train, 10, RunKind::Pretrain, 1.into(), 7).unwrap();
        let plan = plan.composed(&attack, &labels(&index.train), 16).unwrap();
        let trigger = Trigger::prepare(&attack.trigger, None, 16, Stage::Train).unwrap();
        let pixels = load_within(&index, 16, u64::MAX, &mut ()).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &pixels.train };
        let images = AttackedSet::new(&pixels, poisons).unwrap();
        let recipe = PretrainSpec { crop_min_scale: 0.2, flip: false, ..PretrainSpec::default() };
        let batches = Batches { samples: images.len(), size: 49, epochs: 1, seed: 3 };
        let training = Pretraining { recipe: &recipe, images: &images, batches };
        let (mut left, mut right) = (0, 0);
        for epoch in 0..20 {
            for sample in 0..49 {
                let Crop { part, .. } = training.crop(epoch, sample);
                let (width, height) = images.size(sample as usize);
                assert_eq!((width, height), (if sample < 40 { 16 } else { 32 }, 16));
                assert!(part.x + part.width <= width && part.y + part.height <= height);
                left += usize::from(sample >= 40 && part.x + part.width <= 16);
                right += usize::from(sample >= 40 && part.x >= 16);
            }
        }
        assert!(left > 0 && right > 0, "some crops have one half alone: {left} and {right}");
        let grid = PatchGrid { side: 16, patch: 4 };
        let batch = batches.iter_after(0).next().unwrap();
        let made = training.batch(grid, &batch, false, &(0..49)).unwrap();
        for (image, &sample) in made.images.iter().zip(&batch.samples) {
            let of = images.image(sample as usize).unwrap();
            assert_eq!(*image, training.crop(0, sample).of(&of, 16), "what the model sees");
        }
    }

    #[test]
    fn a_batch_of_held_images_has_the_crops_that_the_host_makes() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(2), test_per_class: Some(1) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let attack = AttackSpec::default();
        let plan = plan(&attack, &index.train, 10, RunKind::Pretrain, 1.into(), 7).unwrap();
        let trigger =
            Trigger::prepare(&TriggerSpec::WaNet(WaNetSpec::default()), None, 16, Stage::Train)
                .unwrap();
        let pixels = load_within(&index, 16, u64::MAX, &mut ()).unwrap();
        let poisons =
            Poisons { plan: &plan, triggers: std::slice::from_ref(&trigger), train: &pixels.train };
        let images = AttackedSet::new(&pixels, poisons).unwrap();
        for (crop_min_scale, flip) in [(0.2, true), (0.2, false), (1.0, true)] {
            let recipe = PretrainSpec { crop_min_scale, flip, ..PretrainSpec::default() };
            let batches = Batches { samples: images.len(), size: 20, epochs: 2, seed: 3 };
            let training = Pretraining { recipe: &recipe, images: &images, batches };
            let grid = PatchGrid { side: 16, patch: 4 };
            let batch = batches.iter_after(1).next().unwrap();
            let (host, held) = (
                training.batch(grid, &batch, false, &(0..20)).unwrap(),
                training.batch(grid, &batch, true, &(0..20)).unwrap(),
            );
            assert!(host.crops.is_empty() && held.images.is_empty());
            assert_eq!((host.orders, host.visible), (held.orders, held.visible));
            let of = |crop: &Crop| crop.of(&images.image(crop.image as usize).unwrap(), 16);
            assert_eq!(held.crops.iter().map(of).collect::<Vec<_>>(), host.images);
            let mirrored = held.crops.iter().filter(|crop| crop.flip).count();
            assert_eq!((3..18).contains(&mirrored), flip, "{mirrored} of 20");
        }
    }
}
