//! Deleted studies that can still be restored.

use serde::{Deserialize, Serialize};

use crate::id::StudyId;

/// A deleted study that can be restored for a while. Its files are kept until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deletion {
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub name: String,
    /// Number of its runs.
    pub runs: u64,
    /// When it was deleted, in Unix milliseconds.
    pub deleted_at: u64,
    /// Until when it can be restored, in Unix milliseconds.
    pub until: u64,
}
