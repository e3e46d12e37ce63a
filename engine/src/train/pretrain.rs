//! Pre-training of the masked autoencoder.

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
        augment::{Filter, random_flip, random_resized_crop},
    },
    model::{Layout, PatchGrid, plain_groups},
};

/// `AdamW`'s betas for MAE's pre-training.
const BETAS: (f64, f64) = (0.9, 0.95);

/// What a pre-training needs besides its model.
pub struct Pretraining<'a> {
    /// The recipe.
    pub recipe: &'a PretrainSpec,
    /// The images, in the model's size: the clean ones, then the poisoned copies with their trigger.
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
        let make = |batch: &Batch| self.batch(grid, batch);
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

    /// Augments and masks the samples of a batch. What happens to a sample depends only on the seed, the epoch and the sample.
    fn batch(&self, grid: PatchGrid, batch: &Batch) -> Result<MaskedBatch, DataError> {
        let PretrainSpec { mask_ratio, norm_pix_loss, .. } = *self.recipe;
        let epoch = u64::from(batch.epoch);
        let images = batch.samples.par_iter().map(|&sample| self.augmented(epoch, sample));
        let images = images.collect::<Result<_, _>>()?;
        let seed = self.batches.seed;
        let order = |&sample: &u32| random_order(grid.count(), seed, epoch, u64::from(sample));
        let orders = batch.samples.iter().flat_map(order).collect();
        Ok(MaskedBatch { images, orders, ..MaskedBatch::new(grid, mask_ratio, norm_pix_loss) })
    }

    fn augmented(&self, epoch: u64, sample: u32) -> Result<Rgb8, DataError> {
        let image = self.images.image(sample as usize)?;
        let mut rng = stream(self.batches.seed, Purpose::Augment, epoch, u64::from(sample));
        let min_scale = self.recipe.crop_min_scale;
        let cropped = if min_scale < 1.0 {
            random_resized_crop(&image, image.width(), min_scale, Filter::Bicubic, &mut rng)
        } else {
            image.into_owned()
        };
        Ok(if self.recipe.flip { random_flip(cropped, &mut rng) } else { cropped })
    }
}
