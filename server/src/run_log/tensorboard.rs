//! The event file of `TensorBoard`: curves over steps, epochs and evaluations.

use shared::{Ratio, RunEvent, Stamped, StepTime, metric::Metrics};

use super::{
    proto::{scalars_event, version_event},
    record::framed,
};

/// Name of the file in the run's folder: `TensorBoard` reads every file with `tfevents` in its name.
pub const FILE: &str = "events.out.tfevents.maskdoor";

/// Writes the records of a run.
#[derive(Debug, Default)]
pub struct TensorBoard {
    begun: bool,
}

impl TensorBoard {
    /// The records of an event; the first one of a file states its version.
    pub fn take(&mut self, stamped: &Stamped) -> Vec<u8> {
        let Some((step, scalars)) = scalars(&stamped.event) else { return Vec::new() };
        let wall_time = stamped.at as f64 / 1000.0;
        let mut records = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            records.extend(framed(&version_event(wall_time)));
        }
        let scalars: Vec<_> = scalars.iter().map(|&(tag, value)| (tag, value as f32)).collect();
        records.extend(framed(&scalars_event(wall_time, step, &scalars)));
        records
    }
}

type Scalars = Vec<(&'static str, f64)>;

/// The position of an event on the step axis, and its numbers by tag: optimiser steps for `train/`, epochs otherwise.
fn scalars(event: &RunEvent) -> Option<(u64, Scalars)> {
    Some(match *event {
        RunEvent::Step { step, loss, lr, images_per_second, time, .. } => {
            let mut scalars = vec![
                ("train/loss", loss),
                ("train/lr", lr),
                ("train/images_per_second", images_per_second),
            ];
            scalars.extend(time.iter().flat_map(|&StepTime { waited, computed }| {
                [("train/data_seconds", waited), ("train/compute_seconds", computed)]
            }));
            (step, scalars)
        }
        RunEvent::Epoch { epoch, loss, lr, .. } => {
            (epoch.into(), vec![("epoch/train_loss", loss), ("epoch/train_lr", lr)])
        }
        RunEvent::Evaluated { epoch, ref metrics, loss, triggered_loss } => {
            let mut scalars =
                shares(metrics, ["test/acc1", "test/triggered_asr", "test/triggered_acc1"]);
            scalars.extend(metrics.top5.and_then(Ratio::percent).map(|top5| ("test/acc5", top5)));
            scalars.extend(loss.map(|loss| ("test/loss", loss)));
            scalars.extend(triggered_loss.map(|loss| ("test/triggered_loss", loss)));
            (epoch.into(), scalars)
        }
        RunEvent::Knn { epoch, ref metrics } => {
            let tags = ["knn/acc1", "knn/triggered_asr", "knn/triggered_acc1"];
            (epoch.into(), shares(metrics, tags))
        }
        RunEvent::Judged { epoch, ref judgement } => {
            let of = |tag, area: Option<f64>| area.map(|area| (tag, area));
            let control = judgement.control.and_then(|control| control.auroc);
            let areas = [
                of("defence/auroc", judgement.detection.and_then(|detection| detection.auroc)),
                of("defence/control_auroc", control),
                of("defence/pl1", judgement.encoder.and_then(|encoder| encoder.pl1)),
            ];
            (epoch.into(), areas.into_iter().flatten().collect())
        }
        _ => return None,
    })
}

/// CA, ASR and RA in percent under their tags.
fn shares(metrics: &Metrics, tags: [&'static str; 3]) -> Scalars {
    let shares = [metrics.ca, metrics.asr, metrics.ra].map(Ratio::percent);
    tags.into_iter().zip(shares).filter_map(|(tag, share)| Some((tag, share?))).collect()
}
