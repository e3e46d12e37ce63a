//! The recipe of the linear probe.

use serde::{Deserialize, Serialize};

/// Optimiser of the linear probe. It strongly affects the attack success rate, so it is shown with every result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeOptimizer {
    /// Layer-wise adaptive rate scaling (You et al. 2017), momentum 0.9, trust coefficient 0.001.
    Lars,
    /// AdamW (Loshchilov and Hutter 2019), betas 0.9 and 0.999.
    #[serde(rename = "adamw")]
    AdamW,
}

impl ProbeOptimizer {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Lars, Self::AdamW];

    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lars => "lars",
            Self::AdamW => "adamw",
        }
    }

    /// The name in its usual spelling.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lars => "LARS",
            Self::AdamW => "AdamW",
        }
    }
}

/// Initial weights of the probe's linear layer. LARS scales its steps by the weights, so the initial weights determine how far
/// the probe gets: they are shown with every result, like the optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HeadInit {
    /// Weights normal with a deviation of 0.01, bias 0, as in MAE's linear probing (He et al. 2022).
    #[default]
    Normal,
    /// Weights and bias uniform within `1 / sqrt(width)` around 0, PyTorch's default for a linear layer.
    Uniform,
}

impl HeadInit {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Normal, Self::Uniform];

    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Uniform => "uniform",
        }
    }
}

/// How the probe's features are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeFeatures {
    /// The CLS features of each image and of its mirror image are computed once; each epoch takes one of the two at random.
    Cached,
    /// Each epoch crops and flips each image again and runs the encoder, as the reference does.
    Augmented,
}

/// Recipe of the linear probe: frozen encoder, CLS token, BatchNorm without affine parameters, linear classifier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSpec {
    /// Poisoned images per poisoned class (LPR); 0 gives a clean probe.
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
    /// Optimiser.
    pub optimizer: ProbeOptimizer,
    /// Initial weights of the linear layer.
    pub head_init: HeadInit,
    /// Features.
    pub features: ProbeFeatures,
    /// Smallest area of the random crop with `augmented` features.
    pub crop_min_scale: f64,
    /// Epochs between two evaluations; the last epoch is always evaluated.
    pub evaluate_every: u32,
}

impl ProbeSpec {
    /// Short description of optimiser and initial weights, to show with a result.
    pub fn fitted_by(&self) -> String {
        fitted_by(self.optimizer, self.head_init)
    }
}

/// Short description of optimiser and initial weights: `LARS` with the reference's weights, `LARS from uniform weights` otherwise.
pub fn fitted_by(optimizer: ProbeOptimizer, head_init: HeadInit) -> String {
    match head_init {
        HeadInit::Normal => optimizer.title().to_owned(),
        HeadInit::Uniform => format!("{} from uniform weights", optimizer.title()),
    }
}

impl Default for ProbeSpec {
    fn default() -> Self {
        Self {
            poisons: 0,
            epochs: 90,
            warmup_epochs: 10,
            batch_size: 256,
            accumulate: 1,
            base_lr: 1.0,
            min_lr: 0.0,
            weight_decay: 0.0,
            optimizer: ProbeOptimizer::Lars,
            head_init: HeadInit::Normal,
            features: ProbeFeatures::Cached,
            crop_min_scale: 0.08,
            evaluate_every: 5,
        }
    }
}
