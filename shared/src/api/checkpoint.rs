//! Checkpoints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, StudyId},
    param::Value,
    run::{RunPoint, RunState},
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
    /// The settings that the study varies, by path, with the run's values.
    #[serde(default)]
    pub varied: BTreeMap<String, Value>,
    /// The run's state: one that is running will keep later epochs, too.
    pub state: RunState,
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
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// File on the server's machine, `.pth` or `.safetensors`, or the folder of one.
    pub path: String,
    /// Side of the input images in pixels; defaults to the side that it was trained on.
    #[serde(default)]
    pub image_size: Option<u32>,
    /// Heads of the encoder; required if no file beside it contains them and its width is unusual.
    #[serde(default)]
    pub heads: Option<u32>,
    /// Heads of the decoder.
    #[serde(default)]
    pub decoder_heads: Option<u32>,
    /// Whether its decoder predicts normalised patches, if the file does not say so.
    #[serde(default)]
    pub norm_pix_loss: Option<bool>,
    /// The vision transformer to take of a file that holds several, such as `teacher` and `student`.
    #[serde(default)]
    pub entry: Option<String>,
}
