//! What a detector says of encoders.

use serde::{Deserialize, Serialize};

use crate::{id::RunId, metric::OfEncoder};

/// An encoder that a defence run judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JudgedEncoder {
    /// The run that judged it.
    pub run: RunId,
    /// What tells it from the others.
    pub label: String,
    /// Whether it was attacked: by poisons in pre-training, or by an implanted backdoor; `None` of an imported encoder, of which this is not
    /// known.
    pub attacked: Option<bool>,
    /// What was said of it.
    pub said: OfEncoder,
    /// The share of the image below which the smallest trigger means a backdoor.
    pub limit: f64,
}

/// The search for a trigger of a defence run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TriggerSearch {
    /// The share of the image below which the smallest trigger means a backdoor.
    pub limit: f64,
    /// The epochs in their order.
    pub epochs: Vec<SearchEpoch>,
}

/// An epoch of a search for a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SearchEpoch {
    /// Mean cosine of the features under the trigger.
    pub cosine: f64,
    /// Share of the image that the mask takes (PL1).
    pub pl1: f64,
    /// Weight of the mask's norm in the loss.
    pub weight: f64,
}
