//! Bodies of requests and responses under `/api/v1`, one file per resource.

mod checkpoint;
mod cluster;
mod dataset;
mod deletion;
mod disk;
mod encoders;
mod evaluation;
mod inside;
mod judged;
mod key;
mod matrix;
mod me;
mod over_seeds;
mod overview;
mod picture;
mod pivot;
mod plan;
mod plot;
mod prediction;
mod problem;
mod queue;
mod reconstruction;
mod result;
mod roc;
mod run;
mod scores;
mod setting;
mod study;
mod system;

pub use crate::layout::Layout;
pub use checkpoint::{CheckpointInfo, ImportCheckpoint, ImportedCheckpoint};
pub use cluster::{ClusterInfo, ClusterJob, Partition};
pub use dataset::{
    AddDataset, DatasetInfo, HoldOut, LeftOut, SampleImage, Samples, Share, SkippedFile, Split,
    Transparency,
};
pub use deletion::Deletion;
pub use disk::{DiskUse, FileBytes, Retention, StudyDisk};
pub use encoders::{JudgedEncoder, SearchEpoch, TriggerSearch};
pub use evaluation::{ClassMatching, ClassifierSource, EvaluateRequest, EvaluatedClassifier};
pub use inside::{
    AttendedImage, Attention, AttentionOnTrigger, FeatureMap, FeaturePoint, Projection,
};
pub use judged::{DefenceStrip, DefenceStrips, JudgedGroup, JudgedImage};
pub use key::{KeyInfo, KeyPixels};
pub use matrix::{Beside, MatrixCell, MatrixData, MatrixShows};
pub use me::Me;
pub use over_seeds::OverSeeds;
pub use overview::{Newest, Overview, Running};
pub use picture::PictureInfo;
pub use pivot::{Pivot, PivotCell};
pub use plan::{PlannedRun, ReusedRun, StudyPlan};
pub use plot::{
    ColumnKind, PlotAxis, PlotData, PlotGroup, PlotKind, PlotMarks, PlotScale, ResultColumn,
    ResultColumns,
};
pub use prediction::{Outcome, PairedRuns, PredictedClass, PredictedImage};
pub use problem::{Page, Problem};
pub use queue::{QueueInfo, QueueMove, QueueTime};
pub use reconstruction::{
    ImageChoice, MaskSpec, ReconstructRequest, ReconstructedImage, Reconstruction,
};
pub use result::{Mean, Measured, ResultGroup, ResultGroups, ResultRow, StudyName};
pub use roc::RocSeries;
#[cfg(test)]
pub(crate) use run::finished_probe;
pub use run::{LiveEvent, MeanPercent, RunResult, RunRow, SeedMeans, Tidied};
pub use scores::ScoreBins;
pub use setting::SettingInfo;
pub use study::{StateCounts, StudyChange, StudyDetail, StudySummary};
pub use system::{
    DeviceInfo, DeviceList, DeviceLoad, DeviceProcess, DeviceStatus, Health, LibraryInfo,
    SystemInfo,
};
