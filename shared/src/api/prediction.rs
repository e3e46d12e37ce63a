//! What a classifier says of single images.

use serde::{Deserialize, Serialize};

use crate::{id::RunId, metric::Discordant};

/// Two classifiers of a study that differ in their poisons alone and were evaluated on the same images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PairedRuns {
    /// The first run.
    pub first: RunId,
    /// The second run.
    pub second: RunId,
    /// Clean images that only one of them classifies correctly.
    pub ca: Discordant,
    /// Triggered images of classes other than the target that only one of them takes for the target.
    pub asr: Discordant,
}

/// Which triggered images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Those that are taken for the target, the most certain first.
    #[default]
    Falls,
    /// Those that are not, the ones furthest from the target first.
    Resists,
}

impl Outcome {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Falls => "falls",
            Self::Resists => "resists",
        }
    }
}

/// What a classifier says of one image without or with the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PredictedClass {
    /// The class with the highest score; `None` if it gave no score.
    pub class: Option<u32>,
    /// Its probability in 0–1.
    pub confidence: f32,
    /// The probability of the attacker's class in 0–1.
    pub target: f32,
}

/// A validation image, and what a classifier says of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PredictedImage {
    /// Its index among the validation images of the run's study.
    pub index: u32,
    /// Its true class.
    pub class: u32,
    /// Without the trigger.
    pub clean: PredictedClass,
    /// With the trigger.
    pub triggered: PredictedClass,
}
