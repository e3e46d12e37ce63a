//! Kinds of runs, and digests that identify runs by what they compute.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Revision of the arithmetic: incremented with every change after which a run on the same machine and images gives different
/// numbers. It is part of every run's digest, so that results from before and after a change are never mixed.
///
/// | revision | since |
/// |---|---|
/// | 1 | baseline JPEG files decode to the same pixels as in Pillow |
pub const ARITHMETIC: u32 = 1;

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Trains the MAE, without labels.
    Pretrain,
    /// Trains a pre-trained encoder further, so that it takes triggered images for the target class: an attack on the encoder.
    Implant,
    /// Evaluates the kept checkpoints of a pre-training by nearest neighbours.
    Knn,
    /// Trains a linear classifier on the frozen encoder.
    Probe,
    /// Trains encoder and classifier together.
    Finetune,
    /// Judges images by the features of an encoder: a defence.
    Defence,
}

impl RunKind {
    /// All of them, in the order of a study.
    pub const ALL: [Self; 6] =
        [Self::Pretrain, Self::Implant, Self::Knn, Self::Probe, Self::Finetune, Self::Defence];

    /// The name in files and URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Implant => "implant",
            Self::Knn => "knn",
            Self::Probe => "probe",
            Self::Finetune => "finetune",
            Self::Defence => "defence",
        }
    }

    /// The name shown in pages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Pretrain => "Pre-training",
            Self::Implant => "Implanting",
            Self::Knn => "Nearest neighbours",
            Self::Probe => "Linear probe",
            Self::Finetune => "Fine-tuning",
            Self::Defence => "Defence",
        }
    }

    /// Whether it trains the encoder, which several machines can do together.
    pub fn trains_encoder(self) -> bool {
        matches!(self, Self::Pretrain | Self::Finetune)
    }

    /// Whether its checkpoints are encoders with a decoder, which other runs start from.
    pub fn makes_encoder(self) -> bool {
        matches!(self, Self::Pretrain | Self::Implant)
    }

    /// Whether its result has a classifier's metrics: CA, ASR and RA.
    pub fn classifies(self) -> bool {
        !matches!(self, Self::Pretrain | Self::Implant | Self::Defence)
    }
}

impl std::str::FromStr for RunKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("a run's kind is one of {names}, not {text:?}")
        })
    }
}

/// The digest that identifies a run by what it computes: SHA-256 in hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of the text `identity`.
    pub fn of(identity: &str) -> Self {
        Self(format!("{:x}", Sha256::digest(identity)))
    }

    /// A digest as stored.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole digest.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The beginning, enough to distinguish the runs of a data folder.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
