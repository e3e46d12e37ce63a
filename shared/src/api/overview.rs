//! What stands around every page.

use serde::{Deserialize, Serialize};

use super::{me::Me, system::Health};
use crate::{RunId, StudyId, metric::Metrics};

/// What every page shows around its content, in one answer because it is asked for again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Overview {
    /// Whom the server takes the sender for.
    pub me: Me,
    /// Whether the program works.
    pub health: Health,
    /// Description of the first device.
    pub device: Option<String>,
    /// The running runs; absent while the database cannot be read.
    pub running: Option<Running>,
    /// The result that came last; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Newest>,
}

/// The running runs, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Running {
    /// Their number.
    pub count: u64,
    /// Their mean progress, in 0–1; of the first 20.
    pub fraction: f64,
}

/// The result of the classifier that finished last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Newest {
    /// The run.
    pub run: RunId,
    /// What it is called within its study.
    pub label: String,
    /// Its study.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// What it showed.
    pub metrics: Metrics,
    /// Unix time in milliseconds.
    pub ended_at: u64,
}
