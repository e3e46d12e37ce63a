//! Reads what the page shows.

use engine::files::MANIFEST;
use shared::{
    Rgb8, RunId, RunState, StudyId,
    api::{RunRow, StudyDetail},
    chart::EpochSeries,
    verdict::Pairs,
};

use super::{
    page,
    pictures::{Pictures, pictures},
};
use crate::{
    app::{App, keys::key_file, predictions::PredictionsError, reconstructions::Kept},
    store::StoreError,
};

/// Most runs in the figure of accuracies by epoch.
const MOST_LINES: usize = 12;
/// Most runs whose manifests a report has.
const MOST_MANIFESTS: usize = 200;

/// What a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The study with its runs.
    pub study: StudyDetail,
    /// Its classifiers on the same images.
    pub pairs: Pairs,
    /// Accuracies by epoch of the last finished classifiers, at most twelve.
    pub epochs: Vec<EpochSeries>,
    /// What the trigger does, or why it cannot be shown.
    pub pictures: Result<Pictures, String>,
    /// The manifests of finished runs, as their workers wrote them, at most 200.
    pub manifests: Vec<(RunId, String)>,
    /// When it was made, in Unix milliseconds.
    pub made_at: u64,
}

/// A report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Predictions by image.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// The program itself failed.
    #[error("{0}")]
    Internal(String),
}

/// The report of a study as an HTML file. Images and manifests that are gone are left out, with a word on why.
///
/// # Errors
/// When there is no such study, or the store fails.
pub async fn report(app: &App, kept: &Kept, study: StudyId) -> Result<String, ReportError> {
    let study = app.store.get_study(study).await?;
    let finished: Vec<RunRow> =
        study.runs.iter().filter(|run| run.state == RunState::Done).cloned().collect();
    let classifiers: Vec<_> = finished.iter().filter(|run| run.metrics.is_some()).collect();
    let last = &classifiers[classifiers.len().saturating_sub(MOST_LINES)..];
    let last: Vec<RunRow> = last.iter().map(|&run| run.clone()).collect();
    let epochs = app.epochs(&last).await?;
    let pairs = app.pairs(&study.runs).await?;
    let mut folders = Vec::new();
    for run in finished.iter().take(MOST_MANIFESTS) {
        folders.push((run.id, app.data_dir.folder(&app.store.run_folder(run.id).await?)));
    }
    let spec = study.spec.clone();
    let dataset = app.get_dataset(&spec.settings.dataset.name).await;
    let source = dataset.map(|info| (app.source(&info), info.fingerprint));
    let (made_at, data_dir, catalog) =
        (app.clock.now_ms(), app.data_dir.clone(), kept.catalog.clone());
    let work = move || {
        let manifests = folders.into_iter().filter_map(|(run, folder)| {
            Some((run, std::fs::read_to_string(folder.join(MANIFEST)).ok()?))
        });
        let key = |id: &str| -> Result<Rgb8, String> {
            let file = key_file(&data_dir, id).map_err(|error| error.to_string())?;
            engine::keys::image(&file).map_err(|error| error.to_string())
        };
        let pictures = source.map_err(|error| error.to_string()).and_then(|(source, print)| {
            let opened = catalog.open(&source, &spec.settings.dataset, &print);
            pictures(&spec, opened.map_err(|error| error.to_string())?.as_ref(), key)
        });
        page::html(&Report {
            study,
            pairs,
            epochs,
            pictures,
            manifests: manifests.collect(),
            made_at,
        })
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ReportError::Internal(error.to_string()))
}
