//! The only type that a run emits: the engine creates it, the run's folder and the store keep it, the page folds it.

use serde::{Deserialize, Serialize};

use crate::metric::{Evaluation, Judgement, Metrics};

/// How a step spends its time: means over several steps, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepTime {
    /// Time spent waiting for the batch.
    pub waited: f64,
    /// Time spent computing: forward, backward, optimiser.
    pub computed: f64,
}

impl StepTime {
    /// The share of the time spent waiting for data, in 0–1; `None` if no time has passed.
    pub fn waiting(self) -> Option<f64> {
        let whole = self.waited + self.computed;
        (whole > 0.0).then(|| self.waited / whole)
    }
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    /// The worker started.
    Started {
        /// Device that trains, such as `cpu`.
        device: String,
        /// Threads in use.
        threads: u32,
        /// Version of the program.
        program: String,
        /// Total epochs.
        epochs: u32,
        /// Total optimiser steps.
        steps: u64,
        /// Samples per epoch, including poisons.
        samples: u32,
        /// Poisoned samples among them.
        poisoned: u32,
    },
    /// A line for the log.
    Log {
        /// The line.
        message: String,
    },
    /// Progress of the preparation (drawing or decoding the data set, computing features).
    Preparing {
        /// The current task.
        what: String,
        /// Items done.
        done: u64,
        /// Total items.
        total: u64,
    },
    /// An optimiser step; sent at most a few times per second, and for the last step of an epoch.
    Step {
        /// Steps done.
        step: u64,
        /// Epochs done, including the fraction of the current one.
        epoch: f64,
        /// Training loss of this step.
        loss: f64,
        /// Learning rate of this step.
        lr: f64,
        /// Images per second since the last such event.
        images_per_second: f64,
        /// Mean time of a step since the last such event; absent in events of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<StepTime>,
    },
    /// An epoch ended.
    Epoch {
        /// Epochs done.
        epoch: u32,
        /// Mean training loss of the epoch.
        loss: f64,
        /// Learning rate of its last step.
        lr: f64,
        /// Images per second over the epoch.
        images_per_second: f64,
        /// Mean time of a step of the epoch; absent in events of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<StepTime>,
    },
    /// The classifier was evaluated on clean and triggered images.
    Evaluated {
        /// Epochs done.
        epoch: u32,
        /// The counts.
        metrics: Metrics,
        /// Mean cross-entropy of the clean images.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss: Option<f64>,
        /// Mean cross-entropy of the triggered images that ASR counts, against their true classes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        triggered_loss: Option<f64>,
    },
    /// The encoder of a pre-training was evaluated: nearest neighbours classified clean and triggered images by its features.
    Knn {
        /// Epochs done.
        epoch: u32,
        /// The counts.
        metrics: Metrics,
    },
    /// A defence judged the images.
    Judged {
        /// Epochs of the encoder's training.
        epoch: u32,
        /// What it found.
        judgement: Box<Judgement>,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Epochs done.
        epoch: u32,
        /// File name in the run's folder.
        file: String,
    },
    /// The run finished.
    Finished {
        /// Last evaluation of a classifier; `None` for a pre-training.
        metrics: Option<Metrics>,
        /// Mean images per second of the training.
        images_per_second: f64,
        /// Seconds from start to end.
        seconds: f64,
    },
    /// The run stopped with an error.
    Failed {
        /// The reason, and what to try.
        message: String,
    },
}

impl RunEvent {
    /// The event of a classifier's evaluation after this number of epochs.
    pub fn evaluated(epoch: u32, evaluation: &Evaluation) -> Self {
        let Evaluation { metrics, loss, triggered_loss, .. } = *evaluation;
        Self::Evaluated { epoch, metrics, loss, triggered_loss }
    }

    /// The types of events as in their JSON.
    pub const KINDS: [&str; 11] = [
        "started",
        "log",
        "preparing",
        "step",
        "epoch",
        "evaluated",
        "knn",
        "judged",
        "checkpoint",
        "finished",
        "failed",
    ];

    /// The event's type as in its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Log { .. } => "log",
            Self::Preparing { .. } => "preparing",
            Self::Step { .. } => "step",
            Self::Epoch { .. } => "epoch",
            Self::Evaluated { .. } => "evaluated",
            Self::Knn { .. } => "knn",
            Self::Judged { .. } => "judged",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
        }
    }
}

/// An event with its number and its time: one line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stamped {
    /// Number within the run, from 1, without gaps.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: RunEvent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_an_earlier_version_is_read_and_written_as_it_was() {
        for text in [
            r#"{"seq":1,"at":2,"type":"epoch","epoch":3,"loss":0.5,"lr":0.1,"images_per_second":9.0}"#,
            r#"{"seq":1,"at":2,"type":"evaluated","epoch":3,"metrics":{"ca":{"hits":1,"total":2},"asr":{"hits":0,"total":1},"ra":{"hits":1,"total":1}}}"#,
        ] {
            let stamped: Stamped = serde_json::from_str(text).expect("an event");
            assert_eq!(serde_json::to_string(&stamped).expect("JSON"), text);
        }
    }

    #[test]
    fn the_types_are_those_of_the_json() {
        let error = serde_json::from_str::<RunEvent>(r#"{"type":"?"}"#).unwrap_err().to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, RunEvent::KINDS, "{error}");
    }

    #[test]
    fn the_share_of_waiting_by_hand() {
        assert_eq!(StepTime { waited: 0.5, computed: 1.5 }.waiting(), Some(0.25));
        assert_eq!(StepTime { waited: 0.0, computed: 0.0 }.waiting(), None);
    }
}
