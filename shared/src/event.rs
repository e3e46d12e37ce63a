//! The one type that a run emits: the engine makes it, the run's folder and the store keep it, the page folds it.

use serde::{Deserialize, Serialize};

use crate::metric::{Evaluation, Metrics};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    /// The worker began.
    Started {
        /// Device that trains, such as `cpu`.
        device: String,
        /// Threads in use.
        threads: u32,
        /// Version of the program.
        program: String,
        /// Epochs to do.
        epochs: u32,
        /// Optimiser steps to do.
        steps: u64,
        /// Samples of an epoch, poisons included.
        samples: u32,
        /// Poisoned samples among them.
        poisoned: u32,
    },
    /// A line for the log.
    Log {
        /// The line.
        message: String,
    },
    /// Preparation goes on (drawing or decoding the data set, computing features).
    Preparing {
        /// What is done.
        what: String,
        /// Items done.
        done: u64,
        /// Items in all.
        total: u64,
    },
    /// An optimiser step; sent a few times a second at most, and for the last step of an epoch.
    Step {
        /// Steps done.
        step: u64,
        /// Epochs done, with the part of the current one.
        epoch: f64,
        /// Training loss of this step.
        loss: f64,
        /// Learning rate of this step.
        lr: f64,
        /// Images per second since the last such event.
        images_per_second: f64,
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
        /// Mean cross-entropy of the triggered images of other classes than the target, against their true classes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        triggered_loss: Option<f64>,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Epochs done.
        epoch: u32,
        /// File name in the run's folder.
        file: String,
    },
    /// The run ended well.
    Finished {
        /// Last evaluation of a classifier; `None` for a pre-training.
        metrics: Option<Metrics>,
        /// Images per second over the training.
        images_per_second: f64,
        /// Seconds from start to end.
        seconds: f64,
    },
    /// The run stopped with an error.
    Failed {
        /// Why, and what to try.
        message: String,
    },
}

impl RunEvent {
    /// The event of a classifier's evaluation behind this number of epochs.
    pub fn evaluated(epoch: u32, evaluation: &Evaluation) -> Self {
        let Evaluation { metrics, loss, triggered_loss, .. } = *evaluation;
        Self::Evaluated { epoch, metrics, loss, triggered_loss }
    }

    /// The event's type as it stands in its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Log { .. } => "log",
            Self::Preparing { .. } => "preparing",
            Self::Step { .. } => "step",
            Self::Epoch { .. } => "epoch",
            Self::Evaluated { .. } => "evaluated",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
        }
    }
}

/// An event with its place in the run and its time: one line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stamped {
    /// Place in the run, from 1, without gaps.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: RunEvent,
}
