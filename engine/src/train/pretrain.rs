//! Pre-training of the masked autoencoder.

use kernel::Kernels;
use rayon::prelude::*;
use shared::{
    Phase, Rgb8,
    patches::random_order,
    stream::{Purpose, stream},
    study::PretrainSpec,
};

use super::{
    batches::Batches,
    descent::Descent,
    poisons::AttackedSet,
    replicas::{self, Replicas},
    report::Reporter,
};
use crate::{
    EngineError,
    data::{
        DataError,
        augment::{Filter, normalise, random_flip, random_resized_crop},
    },
    device::pool,
    model::{Mae, MaeRun, MaskedImages, PatchGrid},
    optim::{AdamW, Schedule},
};

/// Betas of MAE's pre-training.
const BETAS: (f64, f64) = (0.9, 0.95);

/// What a pre-training needs besides its model.
pub struct Pretraining<'a> {
    /// The recipe.
    pub recipe: &'a PretrainSpec,
    /// The images, as large as the model's: clean ones, then the poisoned copies with their trigger.
    pub images: &'a AttackedSet<'a>,
    /// Seed of order, crops and masks.
    pub seed: u64,
    /// Threads to train on.
    pub threads: usize,
    /// How to multiply.
    pub kernels: Kernels,
}

/// The end of an epoch.
pub struct EpochEnd<'a, M> {
    /// The model as it is now.
    pub model: &'a M,
    /// Epochs done.
    pub epoch: u32,
    /// Whether a checkpoint is due.
    pub checkpoint: bool,
    /// Whether this is a place to go on from, however short a time ago the last one was kept.
    pub milestone: bool,
    /// Whether nearest neighbours are to be asked.
    pub knn: bool,
    /// The optimiser as it is now.
    pub optimizer: &'a AdamW,
}

impl Pretraining<'_> {
    /// The batches to train on.
    pub fn batches(&self) -> Batches {
        let PretrainSpec { batch_size, epochs, .. } = *self.recipe;
        let size = batch_size as usize;
        Batches { samples: self.images.len(), size, epochs, seed: self.seed }
    }

    /// The optimiser, before the first step.
    pub fn optimizer(&self, mae: &Mae) -> AdamW {
        AdamW::new(mae.params(), BETAS, self.recipe.weight_decay)
    }

    /// Trains the model behind the first `done` epochs. `save` is called at the end of each epoch.
    ///
    /// # Errors
    /// When the loss is no number any more; when an image cannot be read, `save` or an event fails.
    pub fn train(
        &self,
        mae: &mut Mae,
        adamw: &mut AdamW,
        done: u32,
        report: &mut Reporter<'_>,
        mut save: impl FnMut(EpochEnd<'_, Mae>, &mut Reporter<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let recipe = self.recipe;
        let PretrainSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *recipe;
        let step_size = recipe.batch_size * recipe.accumulate;
        let schedule = Schedule::new(base_lr, min_lr, step_size, warmup_epochs, epochs);
        let parameters = mae.params().values().len();
        let mut descent = Descent::new(recipe.accumulate, 0.0, parameters);
        let pool = pool(self.threads)?;
        let mut replicas = Replicas::new(vec![MaeRun::new(self.kernels)], parameters);
        let batches = self.batches();
        report.begin(&batches);
        let grid = mae.grid();
        let make = |batch: &super::batches::Batch| self.shards(grid, batch.epoch, &batch.samples);
        batches.prefetched(done, make, |batch, shards| {
            report.computes();
            let shards = shards?;
            let lr = schedule.at(descent.epochs_done(&batch));
            let size = batch.samples.len() as f64;
            let weights: Vec<f64> = shards.iter().map(|s| s.images as f64 / size).collect();
            let toward = &mut descent.toward(adamw);
            let loss = pool.install(|| replicas.gradients(mae, &shards, &weights, toward));
            if !loss.is_finite() {
                return Err(EngineError::Diverged {
                    phase: Phase::Pretrain,
                    loss,
                    epoch: batch.epoch + 1,
                    lr,
                });
            }
            pool.install(|| descent.step(&batch, adamw, mae.params_mut(), lr));
            report.step(&batch, loss, lr)?;
            if batch.ends_epoch() {
                let epoch = batch.epoch + 1;
                let due = |every: u32| epoch == epochs || epoch.is_multiple_of(every);
                let checkpoint = due(recipe.checkpoint_every.max(1));
                let knn = recipe.knn_every > 0 && due(recipe.knn_every);
                let milestone = checkpoint;
                let end =
                    EpochEnd { model: &*mae, epoch, checkpoint, milestone, knn, optimizer: adamw };
                save(end, report)?;
                report.waits();
            }
            Ok(())
        })
    }

    /// Augments and masks the samples of a batch. What happens to a sample depends on the seed, the epoch and the sample
    /// alone.
    fn shards(
        &self,
        grid: PatchGrid,
        epoch: u32,
        samples: &[u32],
    ) -> Result<Vec<MaskedImages>, DataError> {
        let shards = replicas::shards(samples.len());
        shards
            .into_par_iter()
            .map(|shard| {
                let mut masked = MaskedImages::new(grid, self.recipe.mask_ratio);
                let mut pixels = vec![0.0; grid.image_len()];
                for &sample in &samples[shard] {
                    let (epoch, index) = (u64::from(epoch), u64::from(sample));
                    normalise(&self.augmented(epoch, sample)?, &mut pixels);
                    let order = random_order(grid.count(), self.seed, epoch, index);
                    masked.push(grid, &pixels, &order, self.recipe.norm_pix_loss);
                }
                Ok(masked)
            })
            .collect()
    }

    fn augmented(&self, epoch: u64, sample: u32) -> Result<Rgb8, DataError> {
        let image = self.images.image(sample as usize)?;
        let mut rng = stream(self.seed, Purpose::Augment, epoch, u64::from(sample));
        let min_scale = self.recipe.crop_min_scale;
        let cropped = if min_scale < 1.0 {
            random_resized_crop(&image, image.width(), min_scale, Filter::Bicubic, &mut rng)
        } else {
            image.into_owned()
        };
        Ok(if self.recipe.flip { random_flip(cropped, &mut rng) } else { cropped })
    }
}
