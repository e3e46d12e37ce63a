//! The order of the runs that wait.

use serde::{Deserialize, Serialize};

use crate::id::{RunId, StudyId};

/// The runs that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueInfo {
    /// Whether none of them starts.
    pub paused: bool,
    /// The runs in the order in which they start; each comes after those that it starts from. What a cluster has been given is not
    /// among them: it decides the order of its jobs itself.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub waiting: Vec<RunId>,
    /// Those of them that are held.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub held: Vec<RunId>,
}

/// How long everything in the queue will take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QueueTime {
    /// Seconds until the last running or queued run is done, if nothing else takes up the devices.
    pub seconds: f64,
    /// Number of these runs.
    pub runs: u64,
    /// Whether they are all at the pace of earlier runs or of their own steps; otherwise some are as expected of an idle machine.
    pub is_paced: bool,
}

/// A change of their order: of one run, or of all of a study that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QueueMove {
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub run: Option<RunId>,
    /// The study instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub study: Option<StudyId>,
    /// The run that it comes right before; at the end without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub before: Option<RunId>,
}
