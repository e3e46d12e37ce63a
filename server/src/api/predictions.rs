//! What classifiers say of single images.

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{
    RunId, StudyId,
    api::{Outcome, Page, PairedRuns, PredictedImage},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Path, Place, Query},
};

/// Most images in one answer, and how many it has where nothing is asked for.
const MOST: u32 = 1_000;
const USUAL: u32 = 24;

/// Which images.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PredictionsQuery {
    /// Whether those that get the class that the attacker wants or those that do not; defaults to `falls`.
    #[param(inline)]
    outcome: Option<Outcome>,
    /// Number of images to skip; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    offset: Option<Place>,
    /// Maximum number of images to return; defaults to 24, at most 1,000.
    limit: Option<u32>,
}

/// What a classifier says of triggered validation images at its last evaluation: those that fall for the attack, the most certain first, or
/// those that resist it, the ones furthest from that class first. `404` for a run that has kept no predictions.
#[utoipa::path(get, path = "/runs/{id}/predictions", tag = "results",
    params(("id" = RunId, Path, description = "Run"), PredictionsQuery),
    responses((status = 200, body = Page<PredictedImage>)))]
pub async fn list_predictions(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<PredictionsQuery>,
) -> Result<Json<Page<PredictedImage>>, ApiError> {
    let limit = query.limit.unwrap_or(USUAL);
    if limit > MOST {
        return Err(ApiError::field("limit", format!("takes at most {MOST} images")));
    }
    let offset =
        query.offset.map_or(0, |place| usize::try_from(place.count()).unwrap_or(usize::MAX));
    let outcome = query.outcome.unwrap_or_default();
    Ok(Json(api.app.predicted_images(run, outcome, offset, limit as usize).await?))
}

/// Pairs of a study's classifiers that differ in their poisons alone and have kept their predictions of the same images: on how many images
/// only one of them is right, and only one of them falls for the attack. McNemar's test takes these counts.
#[utoipa::path(get, path = "/studies/{id}/pairs", tag = "results", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, body = [PairedRuns])))]
pub async fn list_pairs(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Json<Vec<PairedRuns>>, ApiError> {
    let detail = api.app.store.get_study(study).await?;
    Ok(Json(api.app.paired_runs(&detail.runs).await?))
}
