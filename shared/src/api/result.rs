//! Runs with their settings and metrics by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, StudyId},
    metric::Ratio,
    param::Value,
    run::RunState,
    run_kind::Digest,
};

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Measured {
    /// A ratio of counts.
    Ratio(Ratio),
    /// A number.
    Real(f64),
}

/// A study that uses a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudyName {
    /// The study.
    pub id: StudyId,
    /// Its name.
    pub name: String,
}

/// A run as a row of the table of results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultRow {
    /// The run.
    pub run: RunId,
    /// Its kind: `probe`.
    pub kind: String,
    /// Digest of everything that determines its result.
    pub digest: Digest,
    /// Its state.
    pub state: RunState,
    /// The studies that use it.
    pub studies: Vec<StudyName>,
    /// When it was created, in Unix milliseconds.
    pub created_at: u64,
    /// When it ended, in Unix milliseconds.
    pub ended_at: Option<u64>,
    /// The settings that its result depends on, by path.
    pub settings: BTreeMap<String, Value>,
    /// The measured values by metric name.
    pub metrics: BTreeMap<String, Measured>,
}

/// A mean over runs; in percent for ratios.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mean {
    /// Number of runs that have the metric.
    pub n: u32,
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation.
    pub deviation: f64,
    /// Lower end of the mean's 95 % interval by Student's t; absent for a single run.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Runs with equal values of the settings that they are grouped by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultGroup {
    /// The value of each of these settings; absent if the runs have none.
    pub settings: BTreeMap<String, Value>,
    /// Number of runs.
    pub runs: u32,
    /// Means by metric name.
    pub metrics: BTreeMap<String, Mean>,
}

/// Runs in groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultGroups {
    /// The groups of the page.
    pub groups: Vec<ResultGroup>,
    /// Number of all groups.
    pub total: u64,
    /// Settings that differ within a group: the means are taken over these.
    pub over: Vec<String>,
}
