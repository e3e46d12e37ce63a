//! Checkpoints.

use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, StudyId},
    run::RunPoint,
};

pub use crate::checkpoint::ImportedCheckpoint;

/// A checkpoint that can be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointInfo {
    /// Its run.
    pub run: RunId,
    /// Its study.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// The run's place in the grid.
    pub point: RunPoint,
    /// File name in the run's folder.
    pub file: String,
    /// Epochs of training in it.
    pub epoch: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// Unix time in milliseconds.
    pub created_at: u64,
}

/// Imports a checkpoint of another program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportCheckpoint {
    /// Name to call it by: letters, digits, `-` and `_`.
    pub name: String,
    /// File on the server's machine: `.pth` or `.safetensors`.
    pub path: String,
    /// Side of the images to see in pixels; the one that it was trained on when absent.
    #[serde(default)]
    pub image_size: Option<u32>,
    /// Heads of the encoder, where nothing beside the file tells them and its width is no usual one.
    #[serde(default)]
    pub heads: Option<u32>,
    /// Heads of the decoder.
    #[serde(default)]
    pub decoder_heads: Option<u32>,
    /// Whether its decoder predicts normalised patches, where the file does not tell.
    #[serde(default)]
    pub norm_pix_loss: Option<bool>,
}
