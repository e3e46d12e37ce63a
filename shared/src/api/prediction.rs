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
    /// Triggered images that ASR counts and that only one of them takes for the class that the attacker wants.
    pub asr: Discordant,
}

/// Which triggered images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Those that get the class that the attacker wants, the most certain first.
    #[default]
    Falls,
    /// Those that do not, the ones furthest from that class first.
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
    /// The probability in 0–1 of the class that the attacker wants: his target, or with all-to-all the one after the true class.
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
