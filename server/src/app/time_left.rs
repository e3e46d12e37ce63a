//! How long everything in the queue will take.

use std::collections::HashSet;

use shared::{
    DeviceKind,
    api::{DatasetInfo, DeviceInfo, QueueTime},
    study::{Speed, run_cost},
};

use super::{App, datasets::DatasetError, plan::speed};
use crate::store::{StoreError, queue::UnfinishedRun};

impl App {
    /// How long the running and queued runs will take, at the pace of earlier runs where there are any. Nothing where a cluster decides when
    /// they start.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn time_left(&self) -> Result<Option<QueueTime>, StoreError> {
        let devices = self.paced_devices().await?;
        if devices.iter().any(|device| device.kind == DeviceKind::Cluster) {
            return Ok(None);
        }
        let datasets = match self.list_datasets().await {
            Ok(datasets) => datasets,
            Err(DatasetError::Store(error)) => return Err(error),
            // Without the data sets' sizes there is no estimate.
            Err(_) => return Ok(None),
        };
        let runs = self.store.unfinished().await?;
        Ok(Some(estimate(&runs, &datasets, &devices, self.threads())))
    }
}

/// All runs one after the other, shared among the devices' slots.
fn estimate(
    runs: &[UnfinishedRun],
    datasets: &[DatasetInfo],
    devices: &[DeviceInfo],
    threads: u32,
) -> QueueTime {
    let slots: u32 =
        devices.iter().filter(|device| device.refusal.is_none()).map(|d| d.slots).sum();
    let mut time = QueueTime { seconds: 0.0, runs: runs.len() as u64, is_paced: true };
    let mut probed = HashSet::new();
    let mut longest = 0.0_f64;
    for run in runs {
        let settings = &run.settings;
        let missing = DatasetInfo::default();
        let dataset = datasets.iter().find(|known| known.name == settings.dataset.name);
        let first = settings.trains_probe(run.kind)
            && probed.insert((run.start, run.settings.encoder.as_deref()));
        let speed = speed(run.wish, devices).unwrap_or_else(|| Speed::of_threads(threads));
        let cost = run_cost(run.kind, settings, dataset.unwrap_or(&missing), &speed, first);
        let progress = &run.progress;
        // A running run is estimated from its own steps.
        let measured = progress.seconds_left();
        let seconds = measured.unwrap_or(cost.seconds * (1.0 - progress.fraction()));
        let is_paced = speed.pace.factor(run.kind, settings.precision).is_some();
        time.is_paced &= measured.is_some() || is_paced;
        time.seconds += seconds;
        longest = longest.max(seconds);
    }
    time.seconds = (time.seconds / f64::from(slots.max(1))).max(longest);
    time
}

#[cfg(test)]
mod tests {
    use shared::{DeviceWish, Progress, RunKind, Settings};

    use super::*;

    fn device(slots: u32) -> DeviceInfo {
        DeviceInfo {
            name: "cpu".into(),
            description: "two threads".into(),
            kind: DeviceKind::Cpu,
            capability: None,
            threads: 2,
            memory_bytes: 1 << 30,
            slots,
            running: 0,
            refusal: None,
            pace: shared::study::Pace::default(),
        }
    }

    fn queued(epochs: u32) -> UnfinishedRun {
        let mut settings = Settings::default();
        settings.pretrain.epochs = epochs;
        UnfinishedRun {
            kind: RunKind::Pretrain,
            settings,
            start: None,
            wish: DeviceWish::default(),
            progress: Progress::default(),
        }
    }

    #[test]
    fn what_runs_tells_by_its_steps_and_what_waits_by_its_cost() {
        let name = Settings::default().dataset.name;
        let sets = [DatasetInfo { name, train_counts: vec![500; 10], ..DatasetInfo::default() }];
        let time = |runs: &[UnfinishedRun], slots| estimate(runs, &sets, &[device(slots)], 2);
        let (one, other) = (time(&[queued(10)], 1).seconds, time(&[queued(20)], 1).seconds);
        assert!(one > 0.0 && other > one, "{one} {other}");
        let both = time(&[queued(10), queued(20)], 1);
        assert!((both.seconds - one - other).abs() < 1e-6 && both.runs == 2 && !both.is_paced);
        let shared = time(&[queued(10), queued(10), queued(10)], 2);
        assert!((shared.seconds - 1.5 * one).abs() < 1e-6, "three runs in two slots");
        assert!((time(&[queued(20)], 2).seconds - other).abs() < 1e-6, "one run needs one slot");
        // 10 of 40 steps in 20 s.
        let progress = Progress {
            steps: 40,
            step: 10,
            first_step: Some((0, 1_000)),
            updated_at: Some(21_000),
            ..Progress::default()
        };
        let running = time(&[UnfinishedRun { progress, ..queued(10) }], 1);
        assert!((running.seconds - 60.0).abs() < 1e-6 && running.is_paced, "{running:?}");
        assert_eq!(time(&[], 1), QueueTime { seconds: 0.0, runs: 0, is_paced: true });
    }
}
