//! The curves of defence runs, from the scores that their runs have kept.

use engine::{eval::Scores, files::DEFENCE};
use shared::{
    RunId,
    api::{RocSeries, RunRow},
    param::{self, Domain, SETTINGS, Value},
};

use super::predictions::{PredictionsError, blocking};
use crate::app::App;

/// What says which defence a run applies: the first part of its label.
const METHOD: &str = "defence.method";

impl App {
    /// The receiver operating characteristics of these runs in their order; runs that judged no images are left out.
    ///
    /// # Errors
    /// When there is no such run, the store fails, or a file is damaged.
    pub async fn roc(&self, runs: &[RunId]) -> Result<Vec<RocSeries>, PredictionsError> {
        let mut files = Vec::with_capacity(runs.len());
        for &run in runs {
            let row = self.store.get_run(run).await?;
            let folder = self.data_dir.folder(&self.store.run_folder(run).await?);
            files.push((run, label(&row), folder.join(DEFENCE)));
        }
        blocking(move || {
            let mut series = Vec::new();
            for (run, label, file) in files {
                let scores = Scores::read(&file)
                    .map_err(|error| PredictionsError::Internal(error.to_string()))?;
                if let Some((roc, control)) = scores.and_then(|scores| scores.roc()) {
                    series.push(RocSeries { run, label, roc, control });
                }
            }
            Ok(series)
        })
        .await
    }
}

/// What tells a run from others of its study, the defence first: `SCAn, Blended, seed 2`.
fn label(row: &RunRow) -> String {
    let mut varied: Vec<(&String, &Value)> = row.varied.iter().collect();
    varied.sort_by_key(|(path, _)| path.as_str() != METHOD);
    let words = |(path, value): (&String, &Value)| {
        let setting = SETTINGS.iter().find(|setting| setting.path == path);
        let title = param::title(path).map_or_else(|| path.clone(), |title| param::lower(&title));
        match setting {
            Some(setting) if matches!(setting.domain, Domain::Choice(_)) => setting.words(value),
            _ => format!("{title} {value}"),
        }
    };
    let parts: Vec<String> = varied.into_iter().map(words).collect();
    if parts.is_empty() { row.point.label() } else { parts.join(", ") }
}
