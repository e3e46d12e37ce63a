//! What defences make of each threshold.

use serde::{Deserialize, Serialize};

use crate::{id::RunId, metric::Roc};

/// The receiver operating characteristic of a defence run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RocSeries {
    /// The run.
    pub run: RunId,
    /// What tells it from the others.
    pub label: String,
    /// Of poisoned and clean images, at the corners of the curve.
    pub roc: Roc,
    /// Of the same images under the same labels without the trigger, for a sample filter where labels are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Roc>,
}
