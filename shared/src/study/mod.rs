//! [`StudySpec`]: the specification of a study. The same structure is the TOML file of the command line, the JSON of the API
//! and the form of the page.
//!
//! | module | holds |
//! |---|---|
//! | `axes` | settings that a study varies, and the resulting points |
//! | `file` | the file format of a study; also reads files of version 0.1 |
//! | `graph` | from points to runs: what each starts from, which points share a run |
//! | `validate` | every error of a study, each with the path of its field |
//! | `preset` | ready-made studies |
//! | `pace` | how fast a device trains |
//! | `cost` | the cost of a run in time and space |

mod axes;
mod cost;
mod file;
mod graph;
mod imported;
mod memory;
mod pace;
mod poisons;
mod preset;
mod validate;

use serde::{Deserialize, Serialize};

pub use axes::{Axes, Axis};
pub use cost::{RunCost, run_cost, training_operations};
pub use file::{StudyFile, converted};
pub use graph::{Content, Graph, Images, Node, described};
pub use memory::{RunMemory, run_memory};
pub use pace::{MeasuredPace, Pace, Speed};
pub use preset::Preset;
#[cfg(feature = "presets")]
pub use preset::{FILES as PRESET_FILES, presets};

use crate::run_kind::RunKind;
pub use crate::{
    field_error::FieldError,
    settings::{
        AttackSpec, BUILTIN_DATASET, DatasetSpec, DefenceSpec, FinetuneSpec, HeadInit, ImplantSpec,
        KnnSpec, ModelSpec, Pooling, Precision, PretrainSpec, ProbeFeatures, ProbeOptimizer,
        ProbeSpec, Settings, Start, TransformerSpec, fitted_by,
    },
};

/// A study: settings, the axes that it varies, and the kinds of runs that it creates at every point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "file::StudyFile", into = "file::StudyFile")]
pub struct StudySpec {
    /// Display name.
    pub name: String,
    /// Search tags, at most eight.
    pub tags: Vec<String>,
    /// The kinds of runs that it creates; the runs that these start from are created, too.
    pub runs: Vec<RunKind>,
    /// The settings of all points, except for the axes.
    pub settings: Settings,
    /// The settings that it varies.
    pub axes: Vec<Axis>,
}
