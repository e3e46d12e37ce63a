//! Runs, their events and results.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cluster::ClusterJob;
use crate::{
    day::day,
    device::DeviceWish,
    event::Stamped,
    id::{RunId, StudyId},
    metric::{Metrics, Spread},
    param::{Value, told},
    progress::Progress,
    run::{RunPoint, RunState},
    run_kind::{Digest, RunKind},
    settings::{HeadInit, ProbeOptimizer, fitted_by},
};

/// A run as a row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunRow {
    /// Identifier.
    pub id: RunId,
    /// Digest of everything that determines its result.
    pub digest: Digest,
    /// The study that it is listed under: the requested one, or the first that created it.
    pub study: StudyId,
    /// The study's name.
    pub study_name: String,
    /// The data set's name.
    pub dataset: String,
    /// Short label of the trigger.
    pub trigger: String,
    /// Trigger kind.
    pub trigger_kind: String,
    /// Trigger strength, such as blend ratio or square size.
    pub strength: f64,
    /// Optimiser; absent for a run that trains nothing.
    pub optimizer: Option<ProbeOptimizer>,
    /// Initial weights of a probe's linear layer.
    pub head_init: Option<HeadInit>,
    /// Kind, poisons and seed.
    pub point: RunPoint,
    /// The settings that the study varies and that affect the run, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub varied: BTreeMap<String, Value>,
    /// Whether the study reused it from the data folder instead of creating it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// Run that it starts from.
    pub parent: Option<RunId>,
    /// Run whose autoencoder restores what a defence hides, where that is not the judged one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restorer: Option<RunId>,
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
    /// Why it did not finish.
    pub error: Option<String>,
    /// Why its worker waits, while it does: nothing can be written, and training goes on when it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// Its job, while a cluster has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<ClusterJob>,
    /// The device that it asks for: `auto`, `cpu`, `cuda:N`, or a number of GPUs.
    #[serde(default, skip_serializing_if = "DeviceWish::is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub wish: DeviceWish,
    /// Whether it is held: it waits until it is released.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// Why it waits: it is held, or no device that it asks for is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// The device assigned to its last attempt, or several separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// That its checkpoints were removed, because nothing needed them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tidied: Option<Tidied>,
}

/// That a run's checkpoints were removed by retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tidied {
    /// When, in Unix milliseconds.
    pub at: u64,
    /// Whether the last one was kept.
    pub kept_last: bool,
}

impl std::fmt::Display for Tidied {
    /// `removed by retention on 2026-11-28`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "removed by retention on {}", day(self.at))
    }
}

impl RunRow {
    /// The state as a person sees it: a run whose job waits in a cluster is queued there.
    pub fn shown_state(&self) -> RunState {
        let waits = self.job.as_ref().is_some_and(|job| job.waits.is_some());
        if self.state == RunState::Running && waits { RunState::Queued } else { self.state }
    }

    /// Optimiser, and for a probe its initial weights; empty for a run that trains nothing.
    pub fn trained_by(&self) -> String {
        match (self.optimizer, self.head_init) {
            (Some(optimizer), Some(head_init)) => fitted_by(optimizer, head_init),
            (Some(optimizer), None) => optimizer.title().to_owned(),
            (None, _) => String::new(),
        }
    }

    /// The varied settings except those with their own columns in tables and figures: poisons, seed and start.
    pub fn varied_besides(&self) -> impl Iterator<Item = (&str, &Value)> {
        let own =
            |path: &str| path == "seed" || path == "finetune.start" || path.ends_with(".poisons");
        self.varied
            .iter()
            .map(|(path, value)| (path.as_str(), value))
            .filter(move |(path, _)| !own(path))
    }

    /// The same without the method of implanting, which its point tells: equal for a run and its counterpart on the encoder as it was.
    pub fn varied_beside_attack(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.varied_besides().filter(|(path, _)| *path != "implant.method")
    }

    /// A label that distinguishes the run within its study: `linear probe, PPR 10, LPR 3, seed 1, blend ratio 0.3`.
    pub fn label(&self) -> String {
        let besides =
            self.varied_beside_attack().map(|(path, value)| format!(", {}", told(path, value)));
        format!("{}{}", self.point.label(), besides.collect::<String>())
    }
}

/// An event of a run, as sent to clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveEvent {
    /// The run.
    pub run: RunId,
    /// State of the run after the event.
    pub state: RunState,
    /// The event; absent when only the state changed.
    pub stamped: Option<Stamped>,
}

/// One finished run, as `maskdoor run --json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunResult {
    /// Study's identifier.
    pub study: StudyId,
    /// Run's identifier.
    pub run: RunId,
    /// Its kind.
    pub kind: RunKind,
    /// Digest of everything that determines its result.
    pub digest: Digest,
    /// The settings that the study varies and that affect the run, by path.
    pub varied: BTreeMap<String, Value>,
    /// Short label of the trigger.
    pub trigger: String,
    /// Poisoned images per poisoned class in pre-training.
    pub ppr: u32,
    /// Poisoned images per poisoned class in the linear probe.
    pub lpr: u32,
    /// Poisoned images per poisoned class in fine-tuning, also in that of a classifier that is repaired; absent for other runs.
    pub fpr: Option<u32>,
    /// Whether a fine-tuning started from a model that was not pre-trained.
    pub scratch: bool,
    /// Seed.
    pub seed: u64,
    /// Epochs.
    pub epochs: u32,
    /// Optimiser, `adamw` or `lars`; absent for a run that trains nothing.
    pub optimizer: Option<ProbeOptimizer>,
    /// Initial weights of the probe's linear layer; absent for a pre-training.
    pub head_init: Option<HeadInit>,
    /// Clean accuracy in percent; absent for a pre-training.
    pub ca: Option<f64>,
    /// Attack success rate in percent; absent for a pre-training.
    pub asr: Option<f64>,
    /// Robust accuracy in percent; absent for a pre-training.
    pub ra: Option<f64>,
    /// Top-5 clean accuracy in percent; absent for a pre-training, and if there are at most five classes.
    pub top5: Option<f64>,
    /// Clean validation images.
    pub n_clean: u32,
    /// Triggered validation images that ASR counts: their true class is not the one that the attacker wants.
    pub n_triggered: u32,
    /// Last training loss.
    pub loss: Option<f64>,
    /// Mean images per second of the training.
    pub images_per_second: f64,
    /// The results of all seeds at this point of the grid; absent if only one has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_seeds: Option<SeedMeans>,
}

/// Means over the seeds at one point of a grid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeedMeans {
    /// Number of seeds.
    pub seeds: u32,
    /// Clean accuracy.
    pub ca: Option<MeanPercent>,
    /// Attack success rate.
    pub asr: Option<MeanPercent>,
    /// Robust accuracy.
    pub ra: Option<MeanPercent>,
    /// Top-5 clean accuracy.
    pub top5: Option<MeanPercent>,
}

/// A mean with its deviation and interval, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeanPercent {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation.
    pub deviation: f64,
    /// Lower end of the mean's 95 % interval by Student's t, not below 0; absent for a single value.
    pub low: Option<f64>,
    /// Upper end, not above 100.
    pub high: Option<f64>,
}

impl From<Spread> for MeanPercent {
    /// From shares in 0–1.
    fn from(spread: Spread) -> Self {
        let interval = spread.interval95();
        Self {
            mean: 100.0 * spread.mean,
            deviation: 100.0 * spread.deviation,
            low: interval.map(|interval| (100.0 * interval.low).max(0.0)),
            high: interval.map(|interval| (100.0 * interval.high).min(100.0)),
        }
    }
}

/// A finished linear probe at a point, for the tests of what is made of results.
#[cfg(test)]
pub(crate) fn finished_probe(
    id: RunId,
    study: StudyId,
    point: RunPoint,
    result: Metrics,
) -> RunRow {
    RunRow {
        id,
        digest: Digest::stored("d"),
        study,
        study_name: "study".into(),
        dataset: "shapes".into(),
        trigger: "blended stripes 0.40".into(),
        trigger_kind: "blended".into(),
        strength: 0.4,
        optimizer: Some(ProbeOptimizer::Lars),
        head_init: Some(HeadInit::Normal),
        point,
        varied: BTreeMap::new(),
        reused: false,
        parent: None,
        restorer: None,
        state: RunState::Done,
        progress: Progress::default(),
        metrics: Some(result),
        created_at: 0,
        started_at: None,
        ended_at: None,
        error: None,
        paused: None,
        job: None,
        wish: DeviceWish::default(),
        held: false,
        waits: None,
        tidied: None,
        device: None,
    }
}
