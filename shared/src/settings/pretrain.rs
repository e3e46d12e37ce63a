//! The recipe of the pre-training.

use serde::{Deserialize, Serialize};

/// Recipe of the pre-training: AdamW (betas 0.9, 0.95), weight decay on tensors of more than one dimension, warm-up, then
/// half a cosine, per step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PretrainSpec {
    /// Poisoned images per poisoned class (PPR); 0 gives a clean encoder.
    pub poisons: u32,
    /// Epochs.
    pub epochs: u32,
    /// Epochs of linear warm-up.
    pub warmup_epochs: u32,
    /// Images per batch.
    pub batch_size: u32,
    /// Batches whose gradients are accumulated into one step.
    pub accumulate: u32,
    /// Learning rate for a step of 256 images; the rate in use is `base_lr * batch_size * accumulate / 256`.
    pub base_lr: f64,
    /// Learning rate at the end of the cosine.
    pub min_lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Share of the patches that are hidden, above 0 and below 1.
    pub mask_ratio: f64,
    /// Whether the target pixels of each patch are normalised by the patch's mean and deviation.
    pub norm_pix_loss: bool,
    /// Smallest area of the random crop, as a share of the image; 1 switches cropping off.
    pub crop_min_scale: f64,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// Epochs between two checkpoints; the last epoch always writes one.
    pub checkpoint_every: u32,
}

impl Default for PretrainSpec {
    fn default() -> Self {
        Self {
            poisons: 0,
            epochs: 60,
            warmup_epochs: 6,
            batch_size: 128,
            accumulate: 1,
            base_lr: 1.5e-3,
            min_lr: 0.0,
            weight_decay: 0.05,
            mask_ratio: 0.75,
            norm_pix_loss: true,
            crop_min_scale: 0.2,
            flip: true,
            checkpoint_every: 10,
        }
    }
}
