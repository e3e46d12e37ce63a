//! Finished classifiers side by side.

use std::collections::HashMap;

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{
    RunId, RunKind, StudyId,
    api::RunRow,
    chart::{EpochPoint, EpochSeries},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Query, list},
};

/// Most classifiers of one answer.
const MOST: u32 = 5_000;
/// Most runs whose evaluations are given at once.
const MOST_SERIES: usize = 100;

/// Which studies.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StudiesQuery {
    /// Only these studies, with commas between them; all when absent.
    studies: Option<String>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EpochsQuery {
    /// The runs, with commas between them; at most 100.
    runs: String,
}

/// The newest 5,000 finished classifiers, oldest first. Of their progress only the end is told.
#[utoipa::path(get, path = "/compare", tag = "results", params(StudiesQuery),
    responses((status = 200, body = [RunRow])))]
pub async fn list_results(
    State(api): State<Api>,
    Query(query): Query<StudiesQuery>,
) -> Result<Json<Vec<RunRow>>, ApiError> {
    Ok(Json(results(&api, query.studies.as_deref()).await?))
}

/// Accuracy by epoch of some runs.
#[utoipa::path(get, path = "/compare/epochs", tag = "results", params(EpochsQuery),
    responses((status = 200, body = [EpochSeries])))]
pub async fn list_epochs(
    State(api): State<Api>,
    Query(query): Query<EpochsQuery>,
) -> Result<Json<Vec<EpochSeries>>, ApiError> {
    let runs = run_rows(&api, &query.runs).await?;
    Ok(Json(epochs(&api, &runs).await?))
}

/// The finished classifiers of these studies, with commas between them; of all without.
///
/// # Errors
/// When the text is no such list, or the store fails.
pub async fn results(api: &Api, studies: Option<&str>) -> Result<Vec<RunRow>, ApiError> {
    let studies: Vec<StudyId> = studies.map_or(Ok(Vec::new()), |text| list("studies", text))?;
    Ok(api.app.store.compare(&studies, MOST).await?)
}

/// The runs of a list with commas.
///
/// # Errors
/// When the text is no such list or a too long one, there is no such run, or the store fails.
pub async fn run_rows(api: &Api, runs: &str) -> Result<Vec<RunRow>, ApiError> {
    let ids: Vec<RunId> = list("runs", runs)?;
    if ids.len() > MOST_SERIES {
        return Err(ApiError::field("runs", format!("takes at most {MOST_SERIES} runs at once")));
    }
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        rows.push(api.app.store.get_run(id).await?);
    }
    Ok(rows)
}

/// The evaluations of these runs, each with the run's name.
///
/// # Errors
/// When the store fails.
pub async fn epochs(api: &Api, runs: &[RunRow]) -> Result<Vec<EpochSeries>, ApiError> {
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let mut points: HashMap<RunId, Vec<EpochPoint>> = HashMap::new();
    for at in api.app.store.evaluations(&ids).await? {
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

/// What tells each run from the others: kind and varied settings, and its study where there are several.
pub fn labels(runs: &[RunRow]) -> Vec<String> {
    let several = runs.iter().any(|run| run.study != runs[0].study);
    runs.iter()
        .map(|run| {
            let point = run.label();
            if several { format!("{}: {point}", run.study_name) } else { point }
        })
        .collect()
}
