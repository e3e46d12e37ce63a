//! [`StudySpec`]: what a study is. The same structure is the TOML file of the command line, the JSON of the API and the
//! form of the page.

mod attack;
mod cost;
mod encoder;
mod finetune;
mod grid;
mod poisons;
mod precision;
mod preset;
mod probe;
mod recipes;
mod validate;

use serde::{Deserialize, Serialize};

pub use attack::AttackSpec;
pub use cost::estimate_seconds;
pub use finetune::{FinetuneSpec, Pooling};
pub use grid::Counts;
pub use precision::Precision;
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
    /// Imported checkpoint that every probe starts from, by name; the study makes no pre-training then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// The images.
    pub dataset: DatasetSpec,
    /// Trigger and target.
    pub attack: AttackSpec,
    /// Which runs to make.
    pub grid: GridSpec,
    /// Encoder and decoder.
    #[serde(default)]
    pub model: ModelSpec,
    /// Numbers that matrix products multiply, in all phases.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// Pre-training recipe.
    #[serde(default)]
    pub pretrain: PretrainSpec,
    /// Linear-probe recipe.
    #[serde(default)]
    pub probe: ProbeSpec,
    /// Fine-tuning recipe.
    #[serde(default)]
    pub finetune: FinetuneSpec,
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

/// The grid: every seed with every PPR gives a pre-training, every one of those with every LPR a linear probe and with every FPR a
/// fine-tuning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GridSpec {
    /// Poisoned images per non-target class in pre-training; 0 is the clean encoder.
    pub ppr: Vec<u32>,
    /// Poisoned images per non-target class in the linear probe; 0 is the clean probe.
    #[serde(default)]
    pub lpr: Vec<u32>,
    /// Poisoned images per non-target class in fine-tuning; 0 is a clean fine-tuning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fpr: Vec<u32>,
    /// Whether a model that was not pre-trained is trained by the fine-tuning recipe, too, for every FPR and seed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scratch: bool,
    /// Seeds of weights, order, augmentation, masks and poisons.
    pub seeds: Vec<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !value
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

    /// Whether both see the same patches with encoders of the same sizes.
    pub fn has_encoder_of(&self, other: &Self) -> bool {
        (self.image_size, self.patch_size, self.encoder)
            == (other.image_size, other.patch_size, other.encoder)
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
    /// Images of a batch.
    pub batch_size: u32,
    /// Batches whose gradients make one step.
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
    /// Epochs between two checkpoints; the last epoch always gives one.
    pub checkpoint_every: u32,
    /// Epochs between two k-nearest-neighbour evaluations of the encoder, one at the end included; 0 for none.
    pub knn_every: u32,
}

impl Default for PretrainSpec {
    fn default() -> Self {
        Self {
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
            knn_every: 0,
        }
    }
}
