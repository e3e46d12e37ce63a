//! Runs: the table, single runs and their events, cancel and retry.

use std::str::FromStr;

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{
    RunEvent, RunId, RunKind, RunState, Stamped, StudyId,
    api::{Page, RunRow},
    trigger::TriggerSpec,
};
use utoipa::{IntoParams, openapi::schema::Object};

use super::{
    Api,
    error::ApiError,
    extract::{Path, Place, Query, REPEATED, Search, beginning, list, word, words},
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
    /// Only with this text in the study's name, the trigger's label or the data set's name, in capitals or not.
    #[param(value_type = Option<String>, max_length = 200)]
    search: Option<Search>,
    /// The order; defaults to `created`.
    #[param(schema_with = orders)]
    sort: Option<String>,
    /// Whether the order is reversed.
    descending: Option<bool>,
    /// Number of runs to skip; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    offset: Option<Place>,
    /// Maximum number of runs to return; defaults to 50, at most 1,000.
    limit: Option<u32>,
}

/// Which events of a run.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only events after this position; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    after: Option<Place>,
    /// Maximum number of events to return; defaults to 2,000, at most 10,000.
    limit: Option<u32>,
    /// Only these types, comma-separated: `step,epoch,evaluated`.
    kinds: Option<String>,
}

/// The orders of the table of runs.
fn orders() -> Object {
    words(RunSort::ALL.iter().map(|sort| sort.as_str()))
}

/// A kind of trigger, or a label, which has more than one word.
struct TriggerName(String);

impl FromStr for TriggerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = TriggerSpec::kinds();
        match kinds.iter().find(|kind| kind.eq_ignore_ascii_case(text)) {
            Some(kind) => Ok(Self((*kind).to_owned())),
            None if text.contains(' ') => Ok(Self(text.to_owned())),
            None => Err(format!(
                "takes a label, such as \"blended stripes 0.40\", or a kind of trigger ({}), not {:?}",
                kinds.join(", "),
                beginning(text, REPEATED)
            )),
        }
    }
}

/// A type of event.
struct EventKind(&'static str);

impl FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        RunEvent::KINDS.into_iter().find(|kind| *kind == text).map(Self).ok_or_else(|| {
            format!(
                "takes types of events ({}), not {:?}",
                RunEvent::KINDS.join(", "),
                beginning(text, REPEATED)
            )
        })
    }
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
            trigger: query
                .trigger
                .map(|trigger| word("trigger", &trigger))
                .transpose()?
                .map(|TriggerName(name)| name),
            search: query.search.map(String::from),
        },
        sort: query.sort.map_or(Ok(RunSort::default()), |sort| word("sort", &sort))?,
        descending: query.descending.unwrap_or(false),
        offset: query.offset.unwrap_or_default().count(),
        limit: query.limit.unwrap_or(50),
    };
    let page = api.app.store.list_runs(&query).await?;
    Ok(Json(Page { items: api.app.queue.with_waits(page.items), ..page }))
}

/// A run.
#[utoipa::path(get, path = "/runs/{id}", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = RunRow)))]
pub async fn get_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<RunRow>, ApiError> {
    let row = api.app.store.get_run(run).await?;
    let row = api.app.queue.with_waits(vec![row]).swap_remove(0);
    Ok(Json(row))
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
    let kinds = query.kinds.map_or(Ok(Vec::new()), |kinds| list::<EventKind>("kinds", &kinds))?;
    let kinds: Vec<String> = kinds.into_iter().map(|kind| kind.0.to_owned()).collect();
    let limit = query.limit.unwrap_or(2_000).min(MOST_EVENTS);
    let after = query.after.unwrap_or_default().count();
    Ok(Json(api.app.store.run_events(run, after, limit, &kinds).await?))
}
