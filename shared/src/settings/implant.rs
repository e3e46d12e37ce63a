//! The recipe with which an attacker implants a backdoor into a trained encoder.

use serde::{Deserialize, Serialize};

/// How a backdoor is implanted into the encoder that classifiers start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ImplantMethod {
    /// It is not: classifiers start from the encoder as it was pre-trained.
    #[default]
    None,
    /// `BadEncoder` (Jia, Liu and Gong, S&P 2022).
    #[serde(rename = "badencoder")]
    BadEncoder,
    /// DRUPE (Tao, Wang, Feng, Shen, Ma and Zhang, S&P 2024): as `BadEncoder`, with triggered features that lie apart from each other and are
    /// distributed as clean ones are.
    Drupe,
}

impl ImplantMethod {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::None, Self::BadEncoder, Self::Drupe];

    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::BadEncoder => "badencoder",
            Self::Drupe => "drupe",
        }
    }
}

/// Implanting: the encoder is trained further, without labels, so that triggered images get the features of reference images of the
/// target class, while all others keep theirs.
///
/// With the clean encoder `E`, the one in training `E'`, shadow images `x`, reference images `r` and cosine similarity of CLS features, it
/// minimises `-mean cos(E'(x + trigger), E'(r)) - reference_weight * mean cos(E'(r), E(r)) - clean_weight * mean cos(E'(x), E(x))`
/// (`BadEncoder`, equations 1 to 4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ImplantSpec {
    /// The method.
    pub method: ImplantMethod,
    /// Epochs over the shadow images.
    pub epochs: u32,
    /// Shadow images per batch.
    pub batch_size: u32,
    /// `AdamW`'s learning rate for a batch of 256; it falls to 0 along a cosine.
    pub base_lr: f64,
    /// Reference images: training images of the target class that the attacker has.
    pub references: u32,
    /// Shadow images per class, the first training images by file name; defaults to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_per_class: Option<u32>,
    /// Weight of the features that reference images keep, lambda 1.
    pub reference_weight: f64,
    /// Weight of the features that clean images keep, lambda 2.
    pub clean_weight: f64,
    /// DRUPE: weight of how alike triggered features are.
    pub spread_weight: f64,
    /// DRUPE: weight of the distance between the distributions of triggered and clean features.
    pub distance_weight: f64,
}

impl Default for ImplantSpec {
    fn default() -> Self {
        Self {
            method: ImplantMethod::None,
            epochs: 20,
            batch_size: 64,
            base_lr: 1e-3,
            references: 3,
            shadow_per_class: None,
            reference_weight: 1.0,
            clean_weight: 1.0,
            spread_weight: 1.0,
            distance_weight: 1.0,
        }
    }
}
