//! Checkpoints.

use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, StudyId},
    run::RunPoint,
};

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
