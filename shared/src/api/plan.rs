//! What a study would run, without starting it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    field_error::FieldError,
    id::{RunId, StudyId},
    param::Value,
    run::{RunPoint, RunState},
    run_kind::{Digest, RunKind},
};

/// A run that a study would create or reuse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlannedRun {
    /// What it does.
    pub kind: RunKind,
    /// Digest of everything that determines its result.
    pub digest: Digest,
    /// Kind, poisons and seed.
    pub point: RunPoint,
    /// The settings that its result depends on, by path, including those of the runs that it starts from.
    pub settings: BTreeMap<String, Value>,
    /// Those of these settings that the study varies.
    pub varied: BTreeMap<String, Value>,
    /// The runs that it needs: the one that it starts from, and its restorer.
    pub inputs: Vec<Digest>,
    /// The one of them whose autoencoder restores what a defence hides; absent where none of them does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restorer: Option<Digest>,
    /// The run with this digest in the data folder; absent if the run would be created. One that did not end well continues.
    pub reused: Option<ReusedRun>,
    /// Number of images that it poisons.
    pub poisoned: u32,
    /// Seconds that it would take from its beginning: at the pace of earlier runs on its device where there are any, otherwise as expected of an idle machine.
    pub seconds: f64,
    /// Bytes that it would occupy on the disk.
    pub bytes: f64,
    /// Bytes of memory that it would take at most.
    pub memory: f64,
}

/// A run in the data folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReusedRun {
    /// The run.
    pub run: RunId,
    /// Its state.
    pub state: RunState,
    /// The study that created it.
    pub study: StudyId,
    /// That study's name.
    pub study_name: String,
}

impl PlannedRun {
    /// Whether the study would train it: it is new, or the one in the data folder did not end well and continues.
    pub fn is_to_run(&self) -> bool {
        self.reused.as_ref().is_none_or(|known| known.state.may_become(RunState::Queued))
    }

    /// The run that it starts from.
    pub fn start(&self) -> Option<&Digest> {
        self.inputs.iter().find(|&input| Some(input) != self.restorer.as_ref())
    }
}

/// What a study would run. Each run comes after those that it needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudyPlan {
    /// The runs.
    pub runs: Vec<PlannedRun>,
    /// Seconds that the runs which the study would train take, one after the other. One that continues from its checkpoint takes less.
    pub seconds: f64,
    /// Whether they are all at the pace of earlier runs; otherwise some are as expected of an idle machine.
    #[serde(default)]
    pub is_paced: bool,
    /// Bytes that they would occupy on the disk.
    pub bytes: f64,
    /// Bytes of memory that the largest of them would take at most.
    pub memory: f64,
    /// Bytes that the largest of those that may get a GPU would take on each of its GPUs; absent where none of them may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory: Option<f64>,
    /// Why this machine cannot run the study; empty if it can. Such a study is not queued.
    #[serde(default)]
    pub refused: Vec<FieldError>,
}
