//! Studies.

use serde::{Deserialize, Serialize};

use super::run::RunRow;
use crate::{id::StudyId, metric::Metrics, study::StudySpec, trigger::TriggerSpec};

/// A study as a row of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudySummary {
    /// Identifier.
    pub id: StudyId,
    /// Name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Unix time in milliseconds.
    pub created_at: u64,
    /// Data set.
    pub dataset: String,
    /// Trigger.
    pub trigger: TriggerSpec,
    /// Number of runs in each state, in the order of [`RunState::ALL`](crate::run::RunState::ALL).
    pub states: [u32; 6],
    /// Highest attack success rate of a finished run, with its clean accuracy.
    pub best: Option<Metrics>,
}

/// A study with its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudyDetail {
    /// Identifier.
    pub id: StudyId,
    /// Unix time in milliseconds.
    pub created_at: u64,
    /// The specification.
    pub spec: StudySpec,
    /// Class names of the data set when the study was made.
    pub classes: Vec<String>,
    /// All runs in their order.
    pub runs: Vec<RunRow>,
}
