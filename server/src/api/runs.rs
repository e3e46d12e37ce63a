//! Runs: the table, single runs and their events, cancel and retry.

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{
    RunId, RunKind, RunState, Stamped, StudyId,
    api::{Page, RunRow},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Path, Query, list, word},
};
use crate::store::runs::{RunFilter, RunQuery, RunSort};

/// Maximum number of events in one response.
const MOST_EVENTS: u32 = 10_000;

/// Which runs, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RunsQuery {
    /// Only this study's.
    #[param(value_type = Option<String>)]
    study: Option<StudyId>,
    /// Only of this kind.
    kind: Option<RunKind>,
    /// Only in this state.
    state: Option<RunState>,
    /// Only on this data set.
    dataset: Option<String>,
    /// Only with this trigger, by its kind (`blended`) or its label (`blended stripes 0.40`).
    trigger: Option<String>,
    /// Only with this text in the study's name, the trigger's label or the data set's name.
    search: Option<String>,
    /// `created` (the default), `study`, `kind`, `ppr`, `lpr`, `seed`, `ca`, `asr`, `ra`, `state` or `strength`.
    sort: Option<String>,
    /// Whether the order is reversed.
    descending: Option<bool>,
    /// Number of runs to skip; defaults to 0.
    offset: Option<u64>,
    /// Maximum number of runs to return; defaults to 50, at most 1,000.
    limit: Option<u32>,
}

/// Which events of a run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only events after this position; defaults to 0.
    after: Option<u64>,
    /// Maximum number of events to return; defaults to 2,000, at most 10,000.
    limit: Option<u32>,
    /// Only these types, comma-separated: `step,epoch,evaluated`.
    kinds: Option<String>,
}

/// A page of the table of runs.
#[utoipa::path(get, path = "/runs", tag = "studies", params(RunsQuery),
    responses((status = 200, body = Page<RunRow>)))]
pub async fn list_runs(
    State(api): State<Api>,
    Query(query): Query<RunsQuery>,
) -> Result<Json<Page<RunRow>>, ApiError> {
    let query = RunQuery {
        filter: RunFilter {
            study: query.study,
            kind: query.kind,
            state: query.state,
            dataset: query.dataset,
            trigger: query.trigger,
            search: query.search,
        },
        sort: query.sort.map_or(Ok(RunSort::default()), |sort| word("sort", &sort))?,
        descending: query.descending.unwrap_or(false),
        offset: query.offset.unwrap_or(0),
        limit: query.limit.unwrap_or(50),
    };
    Ok(Json(api.app.store.list_runs(&query).await?))
}

/// A run.
#[utoipa::path(get, path = "/runs/{id}", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = RunRow)))]
pub async fn get_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<RunRow>, ApiError> {
    Ok(Json(api.app.store.get_run(run).await?))
}

/// Stops a run: at once when it is queued, within two seconds when it is running.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = RunRow)))]
pub async fn cancel_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<RunRow>, ApiError> {
    Ok(Json(api.app.cancel_run(run).await?))
}

/// Queues an unfinished run again, together with the unfinished runs that it depends on or that depend on it. A pre-training
/// resumes from its last saved state.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = RunRow)))]
pub async fn retry_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<RunRow>, ApiError> {
    Ok(Json(api.app.retry_run(run).await?))
}

/// A run's events in order.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "studies",
    params(("id" = RunId, Path, description = "Run"), EventsQuery), responses((status = 200, body = [Stamped])))]
pub async fn list_run_events(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<EventsQuery>,
) -> Result<Json<Vec<Stamped>>, ApiError> {
    let kinds = query.kinds.map_or(Ok(Vec::new()), |kinds| list("kinds", &kinds))?;
    let limit = query.limit.unwrap_or(2_000).min(MOST_EVENTS);
    let after = query.after.unwrap_or(0);
    Ok(Json(api.app.store.run_events(run, after, limit, &kinds).await?))
}
