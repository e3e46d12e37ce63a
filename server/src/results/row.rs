//! A run as a row of the table, and why a table may refuse one.

use std::{collections::BTreeMap, sync::Arc};

use shared::{RunId, RunState, StudyId};
use thiserror::Error;

use super::{metric::Metric, value::Value};

/// A run as it is inserted and read.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The run.
    pub run: RunId,
    /// Its kind, as expressions name it: `"probe"`.
    pub kind: Arc<str>,
    /// The hash of what determines its result.
    pub digest: Box<str>,
    /// Its state.
    pub state: RunState,
    /// The studies that use it.
    pub studies: Vec<Study>,
    /// When it was created, in Unix milliseconds.
    pub created: u64,
    /// When it ended, in Unix milliseconds; `None` until then.
    pub ended: Option<u64>,
    /// Its settings by path. A number that is not finite counts as missing.
    pub settings: BTreeMap<String, Value>,
    /// Its metrics by name. A ratio with a total of 0 and a number that is not finite count as
    /// missing.
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

/// Why a table refuses a row.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RowError {
    /// A run can be in a table only once.
    #[error("run {0} is in the table already")]
    Twice(RunId),
    /// A name refers to only one column.
    #[error("the {what} `{name}` cannot have the name of {taken}")]
    NameTaken {
        /// The kind of column that was to get the name: `"setting"` or `"metric"`.
        what: &'static str,
        /// The name.
        name: String,
        /// What already has the name.
        taken: &'static str,
    },
    /// The numbers of a column must be comparable.
    #[error("the metric `{0}` has a different unit or kind than in earlier rows")]
    OtherMeasure(String),
}
