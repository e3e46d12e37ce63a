//! The recipe of fine-tuning.

use serde::{Deserialize, Serialize};

/// The input of the classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean of the patch tokens, followed by a norm; MAE's choice.
    #[default]
    Mean,
    /// The CLS token of the normalised tokens.
    Cls,
}

impl Pooling {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Mean, Self::Cls];

    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
        }
    }
}

/// The starting point of a fine-tuning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The encoder of a pre-training, or an imported one.
    #[default]
    Encoder,
    /// Initial weights: the same training without pre-training, to measure the effect of pre-training.
    Scratch,
}

impl Start {
    /// Both, the default first.
    pub const ALL: [Self; 2] = [Self::Encoder, Self::Scratch];

    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Scratch => "scratch",
        }
    }
}

/// Recipe of fine-tuning (He et al. 2022, table 9): encoder and classifier are trained together. AdamW (betas 0.9, 0.999) with
/// layer-wise rates (Bao et al. 2022), no weight decay on one-dimensional tensors, CLS token and positions; warm-up, then half a
/// cosine, per step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FinetuneSpec {
    /// Poisoned images per poisoned class (FPR); 0 gives a clean fine-tuning.
    pub poisons: u32,
    /// The starting point of the training.
    pub start: Start,
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
    /// Factor of the learning rate from a block to the one below it; 1 trains all blocks alike.
    pub layer_decay: f64,
    /// Maximum norm of a step's gradient; larger gradients are scaled down to it. 0 disables clipping.
    pub clip_norm: f64,
    /// The input of the classifier.
    pub pooling: Pooling,
    /// Share of the images that skip the last block's two parts (Huang et al. 2016); decreases linearly to 0 at the first block.
    pub drop_path: f64,
    /// Share of the label that is spread over all classes (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// Alpha of mixup's beta distribution (Zhang et al. 2018); 0 switches it off.
    pub mixup: f64,
    /// Alpha of `CutMix`'s beta distribution (Yun et al. 2019); 0 switches it off.
    pub cutmix: f64,
    /// Share of the batches that are mixed, if mixup or `CutMix` is on.
    pub mix_probability: f64,
    /// Share of `CutMix` among the mixed batches, if both are on.
    pub switch_probability: f64,
    /// Magnitude of `RandAugment`'s operations (Cubuk et al. 2020), 0 to 10; two operations per image, in timm's increasing set.
    pub rand_augment: f64,
    /// Standard deviation of the magnitude.
    pub rand_augment_deviation: f64,
    /// Share of the images in which a region is replaced by noise (Zhong et al. 2020).
    pub erase_probability: f64,
    /// Smallest area of the random crop, as a share of the image; 1 switches cropping off.
    pub crop_min_scale: f64,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// Epochs between two evaluations; the last epoch is always evaluated.
    pub evaluate_every: u32,
}

impl FinetuneSpec {
    /// `RandAugment` is off at a magnitude of 0.
    pub fn augments(&self) -> bool {
        self.rand_augment > 0.0
    }
}

impl Default for FinetuneSpec {
    /// MAE's recipe for ViT-B, with the epochs and the batch of small images.
    fn default() -> Self {
        Self {
            poisons: 0,
            start: Start::Encoder,
            epochs: 50,
            warmup_epochs: 5,
            batch_size: 128,
            accumulate: 1,
            base_lr: 1e-3,
            min_lr: 1e-6,
            weight_decay: 0.05,
            layer_decay: 0.75,
            clip_norm: 0.0,
            pooling: Pooling::Mean,
            drop_path: 0.1,
            label_smoothing: 0.1,
            mixup: 0.0,
            cutmix: 0.0,
            mix_probability: 1.0,
            switch_probability: 0.5,
            rand_augment: 9.0,
            rand_augment_deviation: 0.5,
            erase_probability: 0.25,
            crop_min_scale: 0.08,
            flip: true,
            evaluate_every: 5,
        }
    }
}
