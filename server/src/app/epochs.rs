//! Accuracies by epoch, for figures.

use std::collections::HashMap;

use shared::{
    RunId, RunKind,
    api::RunRow,
    chart::{EpochPoint, EpochSeries},
};

use crate::{app::App, store::StoreError};

impl App {
    /// The evaluations of these runs, each under its label.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn epochs(
        &self,
        runs: &[RunRow],
        labels: Vec<String>,
    ) -> Result<Vec<EpochSeries>, StoreError> {
        let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
        let mut points: HashMap<RunId, Vec<EpochPoint>> = HashMap::new();
        for at in self.store.evaluations(&ids).await? {
            let point = EpochPoint { epoch: at.epoch, metrics: at.metrics };
            points.entry(at.run).or_default().push(point);
        }
        let series = runs.iter().zip(labels).map(|(run, label)| EpochSeries {
            run: run.id,
            label,
            knn: matches!(run.point.kind, RunKind::Pretrain | RunKind::Knn),
            points: points.remove(&run.id).unwrap_or_default(),
        });
        Ok(series.collect())
    }
}
