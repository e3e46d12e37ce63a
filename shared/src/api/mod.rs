//! Bodies of requests and answers under `/api/v1`, one file a resource.

mod checkpoint;
mod dataset;
mod evaluation;
mod key;
mod layout;
mod problem;
mod reconstruction;
mod run;
mod study;
mod system;

pub use checkpoint::{CheckpointInfo, ImportCheckpoint, ImportedCheckpoint};
pub use dataset::{AddDataset, DatasetInfo, SampleImage, Samples, SkippedFile, Split};
pub use evaluation::{ClassifierSource, EvaluateRequest, EvaluatedClassifier};
pub use key::{KeyInfo, KeyPixels};
pub use layout::Layout;
pub use problem::{Page, Problem};
pub use reconstruction::{MaskSpec, ReconstructRequest, ReconstructedImage, Reconstruction};
pub use run::{LiveEvent, MeanPercent, RunResult, RunRow, SeedMeans};
pub use study::{StudyDetail, StudySummary};
pub use system::{DeviceInfo, SystemInfo};
