//! [`StudySpec`]: what a study is. The same structure is the TOML file of the command line, the JSON of the API and the
//! form of the page.

mod attack;
mod cost;
mod grid;
mod poisons;
mod preset;
mod probe;
mod validate;

use serde::{Deserialize, Serialize};

pub use attack::AttackSpec;
pub use cost::estimate_seconds;
pub use preset::{Preset, presets};
pub use probe::{HeadInit, ProbeFeatures, ProbeOptimizer, ProbeSpec, fitted_by};
pub use validate::FieldError;

/// Name of the data set that the program draws itself.
pub const BUILTIN_DATASET: &str = "shapes";

/// A study: one attack on one data set, trained at every point of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StudySpec {
    /// Name that a person reads.
    pub name: String,
    /// Words that a person finds it by, at most eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The images.
    pub dataset: DatasetSpec,
    /// Trigger and target.
    pub attack: AttackSpec,
    /// Which runs to make.
    pub grid: GridSpec,
    /// Encoder and decoder.
    #[serde(default)]
    pub model: ModelSpec,
    /// Pre-training recipe.
    #[serde(default)]
    pub pretrain: PretrainSpec,
    /// Linear-probe recipe.
    #[serde(default)]
    pub probe: ProbeSpec,
}

/// The data set and how much of it to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// `shapes`, or the name of an added image folder.
    pub name: String,
    /// Training images per class, the first by file name; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_per_class: Option<u32>,
    /// Validation images per class, the first by file name; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_per_class: Option<u32>,
}

/// The grid: every seed with every PPR gives a pre-training, every one of those with every LPR a linear probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GridSpec {
    /// Poisoned images per non-target class in pre-training; 0 is the clean encoder.
    pub ppr: Vec<u32>,
    /// Poisoned images per non-target class in the linear probe; 0 is the clean probe.
    pub lpr: Vec<u32>,
    /// Seeds of weights, order, augmentation, masks and poisons.
    pub seeds: Vec<u64>,
}

/// A vision transformer's width, depth and heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TransformerSpec {
    /// Width of a token; a multiple of `heads` and of 4 (for the sine-cosine table).
    pub dim: u32,
    /// Number of blocks.
    pub depth: u32,
    /// Attention heads.
    pub heads: u32,
}

/// The masked autoencoder. The MLP of a block is four times as wide as a token, as in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Side of the images that the model sees, in pixels; images are resized to it.
    pub image_size: u32,
    /// Side of a ViT patch in pixels; divides `image_size`.
    pub patch_size: u32,
    /// Encoder.
    pub encoder: TransformerSpec,
    /// Decoder.
    pub decoder: TransformerSpec,
}

impl ModelSpec {
    /// Number of ViT patches of an image.
    pub fn patches(&self) -> u32 {
        (self.image_size / self.patch_size.max(1)).pow(2)
    }
}

impl Default for ModelSpec {
    /// The small model for 32-px images.
    fn default() -> Self {
        Self {
            image_size: 32,
            patch_size: 4,
            encoder: TransformerSpec { dim: 192, depth: 4, heads: 3 },
            decoder: TransformerSpec { dim: 128, depth: 2, heads: 4 },
        }
    }
}

/// Recipe of the pre-training: AdamW (betas 0.9, 0.95), weight decay on tensors of more than one dimension, warm-up then
/// half a cosine, per step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PretrainSpec {
    /// Epochs.
    pub epochs: u32,
    /// Epochs of linear warm-up.
    pub warmup_epochs: u32,
    /// Images of a step.
    pub batch_size: u32,
    /// Learning rate for a batch of 256; the rate in use is `base_lr * batch_size / 256`.
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
    /// Epochs between two checkpoints; the last epoch always gives one.
    pub checkpoint_every: u32,
}

impl Default for PretrainSpec {
    fn default() -> Self {
        Self {
            epochs: 60,
            warmup_epochs: 6,
            batch_size: 128,
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
