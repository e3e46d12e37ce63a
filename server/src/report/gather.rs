//! Reads what the page shows.

use engine::files::MANIFEST;
use shared::{
    Rgb8, RunId, RunKind, RunState, StudyId,
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

/// Runs in the figure of accuracies by epoch, besides the least poisoned one: more lines cannot be told from each other.
const STRONGEST: usize = 3;
/// Most runs whose manifests a report has.
const MOST_MANIFESTS: usize = 200;

/// What a report shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The study with its runs.
    pub study: StudyDetail,
    /// Its classifiers on the same images.
    pub pairs: Pairs,
    /// Accuracies by epoch of the least poisoned classifier and of the three with the highest attack success rates.
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

/// The classifiers whose accuracy by epoch is drawn: the least poisoned one and those with the highest attack success rates, in the
/// study's order.
fn telling(finished: &[RunRow]) -> Vec<RunRow> {
    let mut classifiers: Vec<_> = finished
        .iter()
        .filter_map(|run| Some((run, run.metrics?.asr.share().unwrap_or(0.0))))
        .filter(|(run, _)| run.point.kind != RunKind::Knn)
        .collect();
    // A stable order: of equals, the first in the study.
    classifiers.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let poisons = |run: &&&RunRow| (run.point.ppr, run.point.lpr, run.point.scratch);
    let least = classifiers.iter().map(|(run, _)| run).min_by_key(poisons).map(|run| run.id);
    let strongest: Vec<RunId> = classifiers.iter().map(|(run, _)| run.id).take(STRONGEST).collect();
    let told = |run: &&RunRow| Some(run.id) == least || strongest.contains(&run.id);
    finished.iter().filter(told).cloned().collect()
}

/// The report of a study as an HTML file. Images and manifests that are gone are left out, with a word on why.
///
/// # Errors
/// When there is no such study, or the store fails.
pub async fn report(app: &App, kept: &Kept, study: StudyId) -> Result<String, ReportError> {
    let study = app.store.get_study(study).await?;
    let finished: Vec<RunRow> =
        study.runs.iter().filter(|run| run.state == RunState::Done).cloned().collect();
    let epochs = app.epochs(&telling(&finished)).await?;
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
