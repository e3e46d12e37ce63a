//! [`StudySpec`]: what a study is. The same structure is the TOML file of the command line, the JSON of the API and the
//! form of the page.
//!
//! | module | holds |
//! |---|---|
//! | `axes` | settings that a study varies, and the points that they make |
//! | `file` | how a study is written; files of version 0.1 are read, too |
//! | `graph` | from the points to the runs: what each starts from, which of them are one |
//! | `validate` | every error of a study, each with the path of its field |
//! | `preset` | ready-made studies |
//! | `cost` | what a run costs in time and space |

mod axes;
mod cost;
mod file;
mod graph;
mod imported;
mod poisons;
mod preset;
mod validate;

use serde::{Deserialize, Serialize};

pub use axes::Axis;
pub use cost::{RunCost, run_cost};
pub use file::{StudyFile, converted};
pub use graph::{Content, Graph, Images, Node, described};
pub use preset::Preset;
#[cfg(feature = "presets")]
pub use preset::{FILES as PRESET_FILES, presets};

use crate::run_kind::RunKind;
pub use crate::{
    field_error::FieldError,
    settings::{
        AttackSpec, BUILTIN_DATASET, DatasetSpec, FinetuneSpec, HeadInit, KnnSpec, ModelSpec,
        Pooling, Precision, PretrainSpec, ProbeFeatures, ProbeOptimizer, ProbeSpec, Settings,
        Start, TransformerSpec, fitted_by,
    },
};

/// A study: settings, those of them that it varies, and the kinds of runs that it makes at every point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "file::StudyFile", into = "file::StudyFile")]
pub struct StudySpec {
    /// Name that a person reads.
    pub name: String,
    /// Words that a person finds it by, at most eight.
    pub tags: Vec<String>,
    /// The kinds of runs that it makes; what one of them starts from is made, too.
    pub runs: Vec<RunKind>,
    /// The settings that all points have but for the axes.
    pub settings: Settings,
    /// The settings that it varies.
    pub axes: Vec<Axis>,
}
