//! Progress of a run: the fold over its events, the same in the store and in the page.

use serde::{Deserialize, Serialize};

use crate::{
    event::{RunEvent, Stamped, StepTime},
    metric::{Judgement, Metrics},
};

/// The progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Progress {
    /// Number of the last event that was applied; 0 before the first.
    pub seq: u64,
    /// Unix time in milliseconds at which the worker started.
    pub started_at: Option<u64>,
    /// Unix time in milliseconds of the last event.
    pub updated_at: Option<u64>,
    /// Step and time of the first step event, from which the remaining time is estimated.
    pub first_step: Option<(u64, u64)>,
    /// The current preparation task, before training starts.
    pub preparing: Option<String>,
    /// Total epochs.
    pub epochs: u32,
    /// Epochs done, including the fraction of the current one.
    pub epoch: f64,
    /// Total optimiser steps.
    pub steps: u64,
    /// Optimiser steps done.
    pub step: u64,
    /// Last training loss.
    pub loss: Option<f64>,
    /// Last learning rate.
    pub lr: Option<f64>,
    /// Last speed.
    pub images_per_second: Option<f64>,
    /// Last time per step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<StepTime>,
    /// Last evaluation.
    pub metrics: Option<Metrics>,
    /// What a defence found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
    /// Last checkpoint's file name.
    pub checkpoint: Option<String>,
    /// Whether the run reported its end.
    pub finished: bool,
    /// The error that ended it.
    pub error: Option<String>,
}

impl Progress {
    /// Applies an event. An event that was applied before (by its number) changes nothing.
    pub fn apply(&mut self, stamped: &Stamped) {
        if stamped.seq <= self.seq {
            return;
        }
        self.seq = stamped.seq;
        self.updated_at = Some(stamped.at);
        match &stamped.event {
            RunEvent::Started { epochs, steps, .. } => {
                self.started_at = Some(stamped.at);
                self.epochs = *epochs;
                self.steps = *steps;
            }
            RunEvent::Log { .. } | RunEvent::Knn { .. } => {}
            RunEvent::Preparing { what, done, total } => {
                self.preparing = (done < total).then(|| format!("{what}: {done} of {total}"));
            }
            RunEvent::Step { step, epoch, loss, lr, images_per_second, time } => {
                self.preparing = None;
                self.first_step.get_or_insert((*step, stamped.at));
                self.step = *step;
                self.epoch = *epoch;
                self.loss = Some(*loss);
                self.lr = Some(*lr);
                self.images_per_second = Some(*images_per_second);
                self.time = time.or(self.time);
            }
            RunEvent::Epoch { epoch, loss, lr, images_per_second, time } => {
                self.preparing = None;
                self.epoch = f64::from(*epoch);
                self.loss = Some(*loss);
                self.lr = Some(*lr);
                self.images_per_second = Some(*images_per_second);
                self.time = time.or(self.time);
            }
            RunEvent::Evaluated { metrics, .. } => self.metrics = Some(*metrics),
            RunEvent::Judged { judgement, .. } => self.judgement = Some(**judgement),
            RunEvent::Checkpoint { file, .. } => self.checkpoint = Some(file.clone()),
            RunEvent::Finished { metrics, images_per_second, .. } => {
                self.preparing = None;
                self.finished = true;
                self.epoch = f64::from(self.epochs);
                self.step = self.steps;
                self.metrics = metrics.or(self.metrics);
                self.images_per_second = Some(*images_per_second);
            }
            RunEvent::Failed { message } => {
                self.preparing = None;
                self.error = Some(message.clone());
            }
        }
    }

    /// Completed share of the work, in 0–1.
    pub fn fraction(&self) -> f64 {
        if self.finished {
            1.0
        } else if self.steps == 0 {
            0.0
        } else {
            (self.step as f64 / self.steps as f64).min(1.0)
        }
    }

    /// Estimated remaining seconds at the average speed so far; `None` before there is a speed.
    pub fn seconds_left(&self) -> Option<f64> {
        let (first_step, first_at) = self.first_step?;
        let now = self.updated_at?;
        if self.finished || self.step <= first_step {
            return None;
        }
        let per_step =
            now.saturating_sub(first_at) as f64 / 1000.0 / (self.step - first_step) as f64;
        Some(per_step * self.steps.saturating_sub(self.step) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(seq: u64, at: u64, step: u64) -> Stamped {
        let event = RunEvent::Step {
            step,
            epoch: step as f64 / 10.0,
            loss: 1.0,
            lr: 0.1,
            images_per_second: 5.0,
            time: (step > 1).then_some(StepTime { waited: 0.25, computed: 0.75 }),
        };
        Stamped { seq, at, event }
    }

    fn started() -> Stamped {
        let event = RunEvent::Started {
            device: "cpu".into(),
            threads: 2,
            program: "0.1.0".into(),
            epochs: 10,
            steps: 100,
            samples: 80,
            poisoned: 8,
        };
        Stamped { seq: 1, at: 1_000, event }
    }

    #[test]
    fn time_left_follows_the_speed() {
        let mut progress = Progress::default();
        for event in [started(), step(2, 2_000, 1), step(3, 12_000, 21)] {
            progress.apply(&event);
        }
        // 20 steps in 10 s, 79 left.
        assert!((progress.seconds_left().expect("a speed") - 39.5).abs() < 1e-9);
        assert!((progress.fraction() - 0.21).abs() < 1e-9);
        assert_eq!(progress.time.and_then(StepTime::waiting), Some(0.25));
    }

    #[test]
    fn an_event_counts_once() {
        let mut once = Progress::default();
        let mut twice = Progress::default();
        for event in [started(), step(2, 2_000, 1), step(3, 3_000, 2)] {
            once.apply(&event);
            twice.apply(&event);
            twice.apply(&event);
        }
        assert_eq!(once, twice);
    }
}
