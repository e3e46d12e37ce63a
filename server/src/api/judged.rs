//! The images that a defence judged: the lists of what it found, missed and flagged by mistake, each image as it was judged, and what the
//! defence made of a few of them.

use std::time::UNIX_EPOCH;

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use shared::{
    RunId,
    api::{DefenceStrips, JudgedGroup, JudgedImage, Page},
};
use utoipa::IntoParams;

use super::{
    Api, blocking,
    error::ApiError,
    extract::{Path, Place, Query},
    pixels,
};
use crate::app::keys::sha256;

/// Most images in one answer, and how many it has where nothing is asked for.
const MOST: u32 = 1_000;
const USUAL: u32 = 24;

/// Which images.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct JudgedQuery {
    /// What the defence said of them, and what is true; defaults to `found`.
    #[param(inline)]
    group: Option<JudgedGroup>,
    /// Number of images to skip; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    offset: Option<Place>,
    /// Maximum number of images to return; defaults to 24, at most 1,000.
    limit: Option<u32>,
}

/// Images that a defence judged: poisons that it found, poisons that it missed, or clean images that it flagged, those with the highest scores
/// first. `404` for a run that has judged no images.
#[utoipa::path(get, path = "/runs/{id}/judged", tag = "results",
    params(("id" = RunId, Path, description = "Run"), JudgedQuery),
    responses((status = 200, body = Page<JudgedImage>)))]
pub async fn list_judged(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<JudgedQuery>,
) -> Result<Json<Page<JudgedImage>>, ApiError> {
    let limit = query.limit.unwrap_or(USUAL);
    if limit > MOST {
        return Err(ApiError::field("limit", format!("takes at most {MOST} images")));
    }
    let offset =
        query.offset.map_or(0, |place| usize::try_from(place.count()).unwrap_or(usize::MAX));
    let group = query.group.unwrap_or_default();
    let judged = api.app.judged_run(run).await?;
    let page =
        blocking(move || Ok(judged.open(&api.kept)?.page(group, offset, limit as usize)?)).await?;
    Ok(Json(page))
}

/// One image as a defence judged it, with the trigger where it had one, as PNG.
#[utoipa::path(get, path = "/runs/{id}/judged/{file}", tag = "results",
    params(
        ("id" = RunId, Path, description = "Run"),
        ("file" = String, Path, description = "The image's place in the run's list, `at`, followed by `.png`, such as `12.png`")
    ),
    responses((status = 200, content_type = "image/png", body = Vec<u8>)))]
pub async fn get_judged_image(
    State(api): State<Api>,
    Path((run, file)): Path<(RunId, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let at = number(&file)?;
    let judged = api.app.judged_run(run).await?;
    let written = judged.written()?.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let tag = written.map(|since| pixels::entity_tag(&[&run, &since.as_nanos(), &at]));
    if let Some(response) = tag.as_ref().and_then(|tag| pixels::not_modified(&headers, tag)) {
        return Ok(response);
    }
    let file = blocking(move || pixels::png(&judged.open(&api.kept)?.picture(at)?)).await?;
    let tag = tag.unwrap_or_else(|| pixels::entity_tag(&[&sha256(&file)]));
    Ok(pixels::png_response(file, &tag))
}

/// What BDMAE or `DeDe` made of a few images, clean and triggered: the score or the error of each patch, what BDMAE restores, and the classes
/// before and after. `404` for a run that has kept no strips: those of earlier versions have none.
#[utoipa::path(get, path = "/runs/{id}/strips", tag = "results",
    params(("id" = RunId, Path, description = "Run")), responses((status = 200, body = DefenceStrips)))]
pub async fn list_strips(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<DefenceStrips>, ApiError> {
    let judged = api.app.judged_run(run).await?;
    Ok(Json(blocking(move || Ok(judged.strips(&api.kept)?)).await?))
}

/// The image of a strip as BDMAE restored it, or as `DeDe`'s decoder redraws it, as PNG.
#[utoipa::path(get, path = "/runs/{id}/strips/{file}", tag = "results",
    params(
        ("id" = RunId, Path, description = "Run"),
        ("file" = String, Path, description = "The strip's place in the list, counted from 0, followed by `.png`, such as `2.png`")
    ),
    responses((status = 200, content_type = "image/png", body = Vec<u8>)))]
pub async fn get_strip_image(
    State(api): State<Api>,
    Path((run, file)): Path<(RunId, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let strip = number(&file)?;
    let judged = api.app.judged_run(run).await?;
    let file = blocking(move || pixels::png(&judged.strip_picture(strip)?)).await?;
    Ok(pixels::png_unless_known(&headers, file))
}

/// One of the images that a defence searched for a trigger on, and beside it the same with the trigger that it found, as PNG.
#[utoipa::path(get, path = "/runs/{id}/inverted/{file}", tag = "results",
    params(
        ("id" = RunId, Path, description = "Run"),
        ("file" = String, Path, description = "The image's number, from 0 to 3, followed by `.png`, such as `2.png`")
    ),
    responses((status = 200, content_type = "image/png", body = Vec<u8>)))]
pub async fn get_under_found_trigger(
    State(api): State<Api>,
    Path((run, file)): Path<(RunId, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let n = number(&file)?;
    let judged = api.app.judged_run(run).await?;
    let file = blocking(move || pixels::png(&judged.under_found_trigger(&api.kept, n)?)).await?;
    Ok(pixels::png_unless_known(&headers, file))
}

/// The number in the name of a picture.
fn number(file: &str) -> Result<usize, ApiError> {
    file.strip_suffix(".png")
        .and_then(|at| at.parse().ok())
        .ok_or_else(|| ApiError::NotFound(format!("an image is called like 12.png, not {file:?}")))
}
