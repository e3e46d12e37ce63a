//! Studies.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use shared::{
    StudyId, StudySpec,
    api::{Deletion, Page, StudyChange, StudyDetail, StudySummary},
    study::StudyFile,
    verdict::{Verdict, verdict},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Json as Body, Path, Place, Query, Search},
};
use crate::store::studies::{StudyQuery, StudySort};

/// Which studies.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct StudiesQuery {
    /// Only those with this text in name, tags, data set or trigger, in capitals or not.
    #[param(value_type = Option<String>, max_length = 200)]
    search: Option<Search>,
    /// Archived studies instead of the others; defaults to false.
    archived: Option<bool>,
    /// Only studies with a star; defaults to false.
    starred: Option<bool>,
    /// Only studies with a run that satisfies this CEL expression, as for `/results`: `asr > 50 && kind == "probe"`.
    filter: Option<String>,
    /// What to sort by: `created`, `name`, `dataset`, `done` (number of finished runs), `asr` or `ca` (both of the strongest attack); `-asr` sorts in descending
    /// order. Defaults to `-created`. Studies without a value come last.
    sort: Option<String>,
    /// Number of studies to skip; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    offset: Option<Place>,
    /// Maximum number of studies to return; defaults to 50, at most 1,000.
    limit: Option<u32>,
}

/// A page of the list of studies.
#[utoipa::path(get, path = "/studies", tag = "studies", params(StudiesQuery),
    responses((status = 200, body = Page<StudySummary>)))]
pub async fn list_studies(
    State(api): State<Api>,
    Query(query): Query<StudiesQuery>,
) -> Result<Json<Page<StudySummary>>, ApiError> {
    let (sort, ascending) = query.sort.as_deref().map_or(Ok((StudySort::Created, false)), order)?;
    let only = match query.filter {
        Some(filter) if !filter.trim().is_empty() => Some(api.app.studies_with(filter).await?),
        _ => None,
    };
    let query = StudyQuery {
        only,
        sort,
        ascending,
        search: query.search.map(String::from),
        archived: query.archived.unwrap_or(false),
        starred: query.starred.unwrap_or(false),
        offset: query.offset.unwrap_or_default().count(),
        limit: query.limit.unwrap_or(50),
    };
    let mut page = api.app.store.list_studies(&query).await?;
    // For the store they run; in a cluster they may still wait.
    let waiting = api.app.queue.waiting();
    if !waiting.is_empty() {
        let of_studies = api.app.store.studies_of(&waiting).await?;
        for study in &mut page.items {
            let count = of_studies.get(&study.id).copied().unwrap_or_default();
            let count = count.min(study.states.running);
            study.states.running -= count;
            study.states.queued += count;
        }
    }
    Ok(Json(page))
}

/// What `sort` asks for, and whether in ascending order.
fn order(text: &str) -> Result<(StudySort, bool), ApiError> {
    let (name, ascending) = text.strip_prefix('-').map_or((text, true), |name| (name, false));
    let known = StudySort::ALL.into_iter().find(|(_, known)| *known == name);
    known.map(|(sort, _)| (sort, ascending)).ok_or_else(|| {
        let names = StudySort::ALL.map(|(_, name)| name).join(", ");
        let message = format!("takes {names}, with a minus sign in descending order; not `{text}`");
        ApiError::field("sort", message)
    })
}

/// How to create a study.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CreateQuery {
    /// Whether to create every run afresh, even if the data folder already has an equal one; defaults to false.
    fresh: Option<bool>,
}

impl CreateQuery {
    pub(super) fn fresh(&self) -> bool {
        self.fresh.unwrap_or(false)
    }
}

/// Creates a study and queues its runs, except for those that the data folder already has. An invalid specification is refused
/// with a list of all wrong fields.
#[utoipa::path(post, path = "/studies", tag = "studies", request_body = StudyFile, params(CreateQuery),
    responses((status = 201, body = StudyDetail)))]
pub async fn create_study(
    State(api): State<Api>,
    Query(query): Query<CreateQuery>,
    Body(spec): Body<StudySpec>,
) -> Result<(StatusCode, Json<StudyDetail>), ApiError> {
    let study = api.app.create_study(spec, query.fresh()).await?;
    Ok((StatusCode::CREATED, Json(study)))
}

/// A study with its runs.
#[utoipa::path(get, path = "/studies/{id}", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, body = StudyDetail)))]
pub async fn get_study(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Json<StudyDetail>, ApiError> {
    let detail = api.app.store.get_study(study).await?;
    Ok(Json(StudyDetail { runs: api.app.queue.with_waits(detail.runs), ..detail }))
}

/// What a study found, in sentences computed from its finished classifiers: how much poisoned pre-training changes ASR, with an interval and
/// a test, the strongest attack and its cost, and what each part of the attack does alone. `null` until a classifier has finished.
#[utoipa::path(get, path = "/studies/{id}/verdict", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, body = Option<Verdict>)))]
pub async fn get_verdict(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Json<Option<Verdict>>, ApiError> {
    let detail = api.app.store.get_study(study).await?;
    let pairs = api.app.pairs(&detail.runs).await?;
    Ok(Json(verdict(&detail.runs, &pairs, detail.classes.len())))
}

/// Changes a study's name, tags, notes, star, or whether it is archived.
#[utoipa::path(patch, path = "/studies/{id}", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    request_body = StudyChange, responses((status = 200, body = StudyDetail)))]
pub async fn change_study(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
    Body(change): Body<StudyChange>,
) -> Result<Json<StudyDetail>, ApiError> {
    api.app.change_study(study, &change).await?;
    get_study(State(api), Path(study)).await
}

/// Deletes a study, and those of its runs that no other study uses. Refused while one of these runs is queued or running. The answer says
/// until when this can be undone; their files are removed then.
#[utoipa::path(delete, path = "/studies/{id}", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, body = Deletion)))]
pub async fn delete_study(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Json<Deletion>, ApiError> {
    let deleted = api.app.delete_study_for_now(study).await?;
    api.disk.forget();
    Ok(Json(deleted))
}

/// Stops all queued and running runs of a study that no other study needs: queued ones at once, running ones within two
/// seconds.
#[utoipa::path(post, path = "/studies/{id}/cancel", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, body = StudyDetail)))]
pub async fn cancel_study(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Json<StudyDetail>, ApiError> {
    Ok(Json(api.app.cancel_study(study).await?))
}
