//! Comparison of finished classifiers.

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{RunId, StudyId, api::RunRow, chart::EpochSeries};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Query, list},
};

/// Maximum number of classifiers in one response.
const MOST: u32 = 5_000;
/// Maximum number of runs whose evaluations are returned in one response.
const MOST_SERIES: usize = 100;

/// Which studies.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ClassifiersQuery {
    /// Only these studies, comma-separated; defaults to all.
    studies: Option<String>,
    /// Only runs that satisfy this expression, as for `/results`; not together with `studies`.
    filter: Option<String>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EpochsQuery {
    /// The runs, comma-separated; at most 100.
    runs: String,
}

/// The newest 5,000 finished classifiers, oldest first. Their progress holds only the final state.
#[utoipa::path(get, path = "/compare", tag = "results", params(ClassifiersQuery),
    responses((status = 200, body = [RunRow])))]
pub async fn list_results(
    State(api): State<Api>,
    Query(query): Query<ClassifiersQuery>,
) -> Result<Json<Vec<RunRow>>, ApiError> {
    Ok(Json(results(&api, query.studies.as_deref(), query.filter).await?))
}

/// Accuracy by epoch of some runs.
#[utoipa::path(get, path = "/compare/epochs", tag = "results", params(EpochsQuery),
    responses((status = 200, body = [EpochSeries])))]
pub async fn list_epochs(
    State(api): State<Api>,
    Query(query): Query<EpochsQuery>,
) -> Result<Json<Vec<EpochSeries>>, ApiError> {
    let runs = run_rows(&api, &query.runs).await?;
    Ok(Json(api.app.epochs(&runs).await?))
}

/// The newest finished classifiers of these studies (a comma-separated list), those that satisfy a filter, or all.
///
/// # Errors
/// When the list or the filter cannot be parsed, when both are given, or the store fails.
pub async fn results(
    api: &Api,
    studies: Option<&str>,
    filter: Option<String>,
) -> Result<Vec<RunRow>, ApiError> {
    if let Some(filter) = filter.filter(|filter| !filter.trim().is_empty()) {
        if studies.is_some() {
            let message = "takes no filter beside it; write `\"name\" in studies` into the filter";
            return Err(ApiError::field("studies", message));
        }
        let runs = api.app.newest_results(filter, MOST as usize).await?;
        return Ok(api.app.store.compare_runs(&runs).await?);
    }
    let studies: Vec<StudyId> = studies.map_or(Ok(Vec::new()), |text| list("studies", text))?;
    Ok(api.app.store.compare(&studies, MOST).await?)
}

/// The identifiers of a comma-separated list.
///
/// # Errors
/// When the list cannot be parsed or is too long.
pub(super) fn run_ids(runs: &str) -> Result<Vec<RunId>, ApiError> {
    let ids: Vec<RunId> = list("runs", runs)?;
    if ids.len() > MOST_SERIES {
        return Err(ApiError::field("runs", format!("takes at most {MOST_SERIES} runs at once")));
    }
    Ok(ids)
}

/// The runs of a comma-separated list.
///
/// # Errors
/// When the list cannot be parsed or is too long, a run does not exist, or the store fails.
pub(super) async fn run_rows(api: &Api, runs: &str) -> Result<Vec<RunRow>, ApiError> {
    Ok(api.app.run_rows(&run_ids(runs)?).await?)
}
