//! A run as a row of the table, and why a table may refuse one.

use std::{collections::BTreeMap, sync::Arc};

use shared::{RunId, RunState, StudyId};
use thiserror::Error;

use super::{metric::Metric, value::Value};

/// A run as it goes in and comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The run.
    pub run: RunId,
    /// Its kind, as expressions name it: `"probe"`.
    pub kind: Arc<str>,
    /// The hash of what determines its result.
    pub digest: Box<str>,
    /// Where it stands.
    pub state: RunState,
    /// The studies that use it.
    pub studies: Vec<Study>,
    /// When it was made, in Unix milliseconds.
    pub created: u64,
    /// When it ended, in Unix milliseconds; none before.
    pub ended: Option<u64>,
    /// Its settings by path. A number that is not finite counts as missing.
    pub settings: BTreeMap<String, Value>,
    /// What was measured, by the metric's name. A ratio of nothing and a number that is not finite
    /// count as missing.
    pub metrics: BTreeMap<String, Metric>,
}

/// A study that uses a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Study {
    /// The study.
    pub id: StudyId,
    /// Its name.
    pub name: Arc<str>,
}

/// Why a table does not take a row.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RowError {
    /// A run is in a table once.
    #[error("run {0} is in the table already")]
    Twice(RunId),
    /// A name stands for one column.
    #[error("the {what} `{name}` cannot have the name of {taken}")]
    NameTaken {
        /// What would have the name: `"setting"` or `"metric"`.
        what: &'static str,
        /// The name.
        name: String,
        /// What has it.
        taken: &'static str,
    },
    /// The numbers of a column can be compared.
    #[error(
        "the metric `{0}` has another unit or is counted in another way than in the rows before"
    )]
    OtherMeasure(String),
}
