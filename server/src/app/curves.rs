//! Accuracies by epoch and curves of trainings, for figures.

use std::collections::HashMap;

use shared::{
    RunId, RunKind,
    api::RunRow,
    chart::{CurveKind, CurveSeries, EpochPoint, EpochSeries},
};

use crate::{app::App, store::StoreError};

/// Maximum number of events read for one curve.
const MOST_POINTS: u32 = 100_000;

impl App {
    /// The evaluations of these runs, each under a label that distinguishes it from the others.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn epochs(&self, runs: &[RunRow]) -> Result<Vec<EpochSeries>, StoreError> {
        let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        let mut points: HashMap<RunId, Vec<EpochPoint>> = HashMap::new();
        for at in self.store.evaluations(&ids).await? {
            let point = EpochPoint { epoch: at.epoch, metrics: at.metrics };
            points.entry(at.run).or_default().push(point);
        }
        let series = runs.iter().zip(labels(runs)).map(|(run, label)| EpochSeries {
            run: run.id,
            label,
            knn: matches!(run.point.kind, RunKind::Pretrain | RunKind::Knn),
            points: points.remove(&run.id).unwrap_or_default(),
        });
        Ok(series.collect())
    }

    /// One quantity by epoch for each of these runs, under a label that distinguishes it from the others.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn curves(
        &self,
        which: CurveKind,
        runs: &[RunRow],
    ) -> Result<Vec<CurveSeries>, StoreError> {
        let kinds = ["step".to_owned(), "epoch".to_owned()];
        let mut curves = Vec::with_capacity(runs.len());
        for (row, label) in runs.iter().zip(labels(runs)) {
            let events = self.store.run_events(row.id, 0, MOST_POINTS, &kinds).await?;
            curves.push(CurveSeries::from_events(which, row.id, label, &events));
        }
        Ok(curves)
    }

    /// These runs, in the order given.
    ///
    /// # Errors
    /// When one does not exist, or the store fails.
    pub async fn run_rows(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        let mut rows = Vec::with_capacity(runs.len());
        for &run in runs {
            rows.push(self.store.get_run(run).await?);
        }
        Ok(rows)
    }
}

/// A label that distinguishes each run from the others: kind and varied settings, and its study if there are several.
fn labels(runs: &[RunRow]) -> Vec<String> {
    let several = runs.iter().any(|run| run.study != runs[0].study);
    let label = |run: &RunRow| {
        let point = run.label();
        if several { format!("{}: {point}", run.study_name) } else { point }
    };
    runs.iter().map(label).collect()
}
