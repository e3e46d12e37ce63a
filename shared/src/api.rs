//! Bodies of requests and answers under `/api/v1`.

use serde::{Deserialize, Serialize};

use crate::{
    id::{RunId, StudyId},
    metric::Metrics,
    progress::Progress,
    run::{Phase, RunPoint, RunState},
    study::{FieldError, ProbeOptimizer, StudySpec},
    trigger::TriggerSpec,
};

/// An error, as RFC 9457 (`application/problem+json`) has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Kind of problem, such as `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The problem in a few words.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What is wrong and what would be right.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// A part of a long list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this part.
    pub items: Vec<T>,
    /// Number of all items.
    pub total: u64,
    /// Place of the first item of this part.
    pub offset: u64,
}

/// A file that a data set leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkippedFile {
    /// Path below the data set's folder.
    pub path: String,
    /// Why it is left out.
    pub reason: String,
}

/// A data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetInfo {
    /// Name.
    pub name: String,
    /// Whether the program draws it itself.
    pub builtin: bool,
    /// Folder of an image folder.
    pub path: Option<String>,
    /// Class names, sorted; a class's number is its place here.
    pub classes: Vec<String>,
    /// Training images of each class.
    pub train_counts: Vec<u32>,
    /// Validation images of each class.
    pub test_counts: Vec<u32>,
    /// SHA-256 over the relative paths and sizes of all files (built-in: over the drawing's version and seed), in hex.
    pub fingerprint: String,
    /// Files that were left out because they cannot be read as an image; the first 100.
    pub skipped: Vec<SkippedFile>,
    /// Number of all files left out.
    pub skipped_total: u32,
    /// Unix time in milliseconds at which it was added; 0 for the built-in one.
    pub added_at: u64,
}

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Training images.
    Train,
    /// Validation images.
    Test,
}

/// Adds an image folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddDataset {
    /// Name to call it by: letters, digits, `-` and `_`.
    pub name: String,
    /// Folder on the server's machine.
    pub path: String,
}

/// Some images of a data set, resized to squares: what an attack editor needs to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Samples {
    /// Side of each image in pixels.
    pub side: u32,
    /// The images.
    pub items: Vec<SampleImage>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SampleImage {
    /// Index within the split.
    pub index: u32,
    /// Its class.
    pub class: u32,
    /// File below the data set's folder, or a name for a drawn picture.
    pub name: String,
    /// `side * side * 3` bytes of RGB in base64.
    pub rgb: String,
}

/// A key image of the blended trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    /// What a trigger names: `stripes`, `swirl`, `noise`, `glyph`, or an uploaded image's SHA-256 in hex.
    pub id: String,
    /// Name that a person reads.
    pub name: String,
    /// SHA-256 of the file in hex.
    pub sha256: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it came with the program.
    pub builtin: bool,
}

/// Pixels of a key image, resized to a square by the same code that poisons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyPixels {
    /// The key.
    pub id: String,
    /// Side in pixels.
    pub side: u32,
    /// `side * side * 3` bytes of RGB in base64.
    pub rgb: String,
}

/// A study as a row of the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudySummary {
    /// Identifier.
    pub id: StudyId,
    /// Name.
    pub name: String,
    /// Unix time in milliseconds.
    pub created_at: u64,
    /// Data set.
    pub dataset: String,
    /// Trigger.
    pub trigger: TriggerSpec,
    /// Number of runs in each state, in the order of [`RunState::ALL`].
    pub states: [u32; 6],
    /// Highest attack success rate of a finished run, with its clean accuracy.
    pub best: Option<Metrics>,
}

/// A study with its runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudyDetail {
    /// Identifier.
    pub id: StudyId,
    /// Unix time in milliseconds.
    pub created_at: u64,
    /// The specification.
    pub spec: StudySpec,
    /// Class names of the data set when the study was made.
    pub classes: Vec<String>,
    /// All runs in their order.
    pub runs: Vec<RunRow>,
}

/// A run as a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunRow {
    /// Identifier.
    pub id: RunId,
    /// Its study.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// The data set's name.
    pub dataset: String,
    /// The trigger in a few words.
    pub trigger: String,
    /// Trigger kind.
    pub trigger_kind: String,
    /// Trigger strength: blend ratio or square size.
    pub strength: f64,
    /// Optimiser of the probe.
    pub optimizer: ProbeOptimizer,
    /// Place in the grid.
    pub point: RunPoint,
    /// Run that it starts from.
    pub parent: Option<RunId>,
    /// State.
    pub state: RunState,
    /// Progress.
    pub progress: Progress,
    /// Result of a finished classifier.
    pub metrics: Option<Metrics>,
    /// Unix time in milliseconds.
    pub created_at: u64,
    /// Unix time in milliseconds.
    pub started_at: Option<u64>,
    /// Unix time in milliseconds.
    pub ended_at: Option<u64>,
    /// Why it did not end well.
    pub error: Option<String>,
}

/// An event of a run as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveEvent {
    /// The run.
    pub run: RunId,
    /// State of the run after the event.
    pub state: RunState,
    /// The event; absent when only the state changed.
    pub stamped: Option<crate::event::Stamped>,
}

/// One finished run, as `maskdoor run --json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunResult {
    /// Study's identifier.
    pub study: StudyId,
    /// Run's identifier.
    pub run: RunId,
    /// Phase.
    pub phase: Phase,
    /// Trigger in a few words.
    pub trigger: String,
    /// Poisoned images per non-target class in pre-training.
    pub ppr: u32,
    /// Poisoned images per non-target class in the linear probe.
    pub lpr: u32,
    /// Seed.
    pub seed: u64,
    /// Epochs.
    pub epochs: u32,
    /// Optimiser of the phase: `adamw` or `lars`.
    pub optimizer: String,
    /// Clean accuracy in percent; absent for a pre-training.
    pub ca: Option<f64>,
    /// Attack success rate in percent; absent for a pre-training.
    pub asr: Option<f64>,
    /// Robust accuracy in percent; absent for a pre-training.
    pub ra: Option<f64>,
    /// Clean validation images.
    pub n_clean: u32,
    /// Triggered validation images whose true class is not the target.
    pub n_triggered: u32,
    /// Last training loss.
    pub loss: Option<f64>,
    /// Images per second over the training.
    pub images_per_second: f64,
}

/// A checkpoint that can be opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckpointInfo {
    /// Its run.
    pub run: RunId,
    /// Its study.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// The run's place in the grid.
    pub point: RunPoint,
    /// File name in the run's folder.
    pub file: String,
    /// Epochs of training in it.
    pub epoch: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// Unix time in milliseconds.
    pub created_at: u64,
}

/// Which patches are hidden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MaskSpec {
    /// By chance.
    Random {
        /// Share of hidden patches, above 0 and below 1.
        ratio: f64,
        /// Seed of the choice.
        seed: u64,
    },
    /// By hand: one entry a patch, row by row, `true` = hidden.
    Painted {
        /// Hidden patches.
        hidden: Vec<bool>,
    },
}

/// Asks for a reconstruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconstructRequest {
    /// Pre-training whose checkpoint to open.
    pub run: RunId,
    /// Checkpoint's file name; the last one when absent.
    #[serde(default)]
    pub file: Option<String>,
    /// Part of the data set.
    pub split: Split,
    /// Index of the image within it.
    pub index: u32,
    /// Hidden patches.
    pub mask: MaskSpec,
}

/// A reconstruction of the clean and of the triggered image under one mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reconstruction {
    /// Side of the images in pixels.
    pub side: u32,
    /// Side of a ViT patch in pixels.
    pub patch: u32,
    /// Hidden patches, row by row.
    pub hidden: Vec<bool>,
    /// True class of the image.
    pub class: u32,
    /// Without the trigger.
    pub clean: ReconstructedImage,
    /// With the trigger.
    pub triggered: ReconstructedImage,
}

/// One image and what the model makes of it. Images are `side * side * 3` bytes of RGB in base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconstructedImage {
    /// The image that went in.
    pub original: String,
    /// The model's prediction of every patch.
    pub prediction: String,
    /// The prediction in the hidden patches, the original in the visible ones.
    pub pasted: String,
    /// Mean squared error of each patch, row by row, in squared intensities of 0–1.
    pub patch_error: Vec<f32>,
    /// Mean of `patch_error` over the hidden patches.
    pub hidden_error: f32,
}

/// The machine and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemInfo {
    /// Version of the program.
    pub version: String,
    /// Folder of database and runs.
    pub data_dir: String,
    /// Devices that can train.
    pub devices: Vec<DeviceInfo>,
    /// Bytes that the runs take on disk.
    pub runs_bytes: u64,
    /// Bytes that the database takes on disk.
    pub store_bytes: u64,
    /// Free bytes on that disk.
    pub free_bytes: u64,
    /// Running jobs, then queued ones in their order.
    pub jobs: Vec<RunRow>,
    /// Whether this server hands out the jobs; otherwise another program on the same data folder does.
    pub schedules: bool,
}

/// A device that can train.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceInfo {
    /// Name, such as `cpu`.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Threads it uses.
    pub threads: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Jobs at a time.
    pub slots: u32,
}
