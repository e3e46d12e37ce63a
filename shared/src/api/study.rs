//! Studies.

use serde::{Deserialize, Serialize};

use super::run::RunRow;
use crate::{id::StudyId, metric::Metrics, run::RunState, study::StudySpec, trigger::TriggerSpec};

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
    /// The triggers in words where the study varies them: `blended, blend ratio 0.2, 0.3, 0.4`, or `Blended, BadNets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_varies: Option<String>,
    /// Number of runs in each state.
    pub states: StateCounts,
    /// Highest attack success rate of a finished run whose classifier has learned more than to guess, with its clean accuracy; of any
    /// finished run where none has.
    pub best: Option<Metrics>,
    /// Whether somebody put a star on it.
    #[serde(default)]
    pub starred: bool,
    /// Whether it is left out of the list of studies.
    #[serde(default)]
    pub archived: bool,
}

/// A change of a study that exists; what is absent stays. What its runs compute cannot be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StudyChange {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its tags, instead of all that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Notes on it: plain text of at most 20,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Whether it has a star.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starred: Option<bool>,
    /// Whether it is left out of the list of studies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// Number of runs in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StateCounts {
    /// Waiting for their turn.
    pub queued: u32,
    /// Running now.
    pub running: u32,
    /// Finished with a result.
    pub done: u32,
    /// Stopped with an error.
    pub failed: u32,
    /// Their process disappeared.
    pub interrupted: u32,
    /// Stopped by the user.
    pub cancelled: u32,
}

impl StateCounts {
    /// The number of runs in a state.
    pub fn of(&self, state: RunState) -> u32 {
        match state {
            RunState::Queued => self.queued,
            RunState::Running => self.running,
            RunState::Done => self.done,
            RunState::Failed => self.failed,
            RunState::Interrupted => self.interrupted,
            RunState::Cancelled => self.cancelled,
        }
    }

    /// The number of all runs.
    pub fn all(&self) -> u32 {
        RunState::ALL.into_iter().map(|state| self.of(state)).sum()
    }
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
    #[cfg_attr(feature = "openapi", schema(value_type = crate::study::StudyFile))]
    pub spec: StudySpec,
    /// Class names of the data set when the study was created.
    pub classes: Vec<String>,
    /// All runs in order.
    pub runs: Vec<RunRow>,
    /// Whether somebody put a star on it.
    #[serde(default)]
    pub starred: bool,
    /// Whether it is left out of the list of studies.
    #[serde(default)]
    pub archived: bool,
    /// Notes on it, as plain text.
    #[serde(default)]
    pub notes: String,
}
