//! What a study would run, without starting it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, StudyId},
    param::Value,
    run::{RunPoint, RunState},
    run_kind::{Digest, RunKind},
};

/// A run that a study would make or reuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlannedRun {
    /// What it does.
    pub kind: RunKind,
    /// Its name by what it computes.
    pub digest: Digest,
    /// Kind, poisons and seed.
    pub point: RunPoint,
    /// The settings that its result depends on, those of the runs that it starts from included, by path.
    pub settings: BTreeMap<String, Value>,
    /// Those of them that the study varies.
    pub varied: BTreeMap<String, Value>,
    /// The runs that it starts from.
    pub inputs: Vec<Digest>,
    /// The run of that name that the data folder has; absent where it would be made.
    pub reused: Option<ReusedRun>,
    /// Images that it poisons.
    pub poisoned: u32,
    /// Seconds that it would take on an idle machine.
    pub seconds: f64,
    /// Bytes that it would leave on the disk.
    pub bytes: f64,
}

/// A run that the data folder has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReusedRun {
    /// The run.
    pub run: RunId,
    /// Its state: done, running or queued.
    pub state: RunState,
    /// The study that made it.
    pub study: StudyId,
    /// That study's name.
    pub study_name: String,
}

/// What a study would run. A run comes after those that it starts from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudyPlan {
    /// The runs.
    pub runs: Vec<PlannedRun>,
    /// Seconds of the runs that would be made, one after the other on an idle machine.
    pub seconds: f64,
    /// Bytes that they would leave on the disk.
    pub bytes: f64,
}
