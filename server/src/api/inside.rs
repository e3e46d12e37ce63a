//! What is inside an encoder: a map of its features, and what its CLS token attends to.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{
    RunId,
    api::{AttendedImage, Attention, AttentionOnTrigger, FeatureMap, Projection},
};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Path, Query, word},
    pixels,
    wanted::StopOnDrop,
};
use crate::app::{
    inside::{Attentive, MapQuery},
    reconstructions::Wanted,
};

/// Whose features, and how many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FeaturesQuery {
    /// File name of the checkpoint; defaults to the last one.
    file: Option<String>,
    /// Imported checkpoint instead, by name; the run is then any run of the study that gives images and trigger.
    imported: Option<String>,
    /// Validation images of each class; defaults to 25.
    per_class: Option<u32>,
    /// How features become places: `pca`, the first two principal components (the default), or `tsne` with about 30 neighbours of each
    /// image, or with as many as `tsne:5` names, 2 to 100.
    projection: Option<String>,
}

/// Whose attention, and of which images.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AttentionQuery {
    /// File name of the checkpoint; defaults to the last one.
    file: Option<String>,
    /// Imported checkpoint instead, by name; the run is then any run of the study that gives images and trigger.
    imported: Option<String>,
    /// The validation image that is shown; defaults to the first.
    index: Option<u32>,
    /// Number of images that are averaged over; defaults to 32, at most 256.
    images: Option<u32>,
}

/// CLS features of validation images, clean and triggered, in the plane: by their first two principal components, or by t-SNE. Maps are made one at a time; dropping the request cancels the work.
#[utoipa::path(get, path = "/runs/{id}/features", tag = "results",
    params(("id" = RunId, Path, description = "Run"), FeaturesQuery), responses((status = 200, body = FeatureMap)))]
pub async fn get_features(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<FeaturesQuery>,
) -> Result<Json<FeatureMap>, ApiError> {
    let FeaturesQuery { file, imported, per_class, projection } = query;
    let projection =
        projection.as_deref().map_or(Ok(Projection::Pca), |text| word("projection", text))?;
    let query = MapQuery { of: Wanted { run, imported, file }, per_class, projection };
    Ok(Json(Arc::unwrap_or_clone(features(&api, &query).await?)))
}

/// The map, when it is this request's turn.
pub(super) async fn features(api: &Api, query: &MapQuery) -> Result<Arc<FeatureMap>, ApiError> {
    let gone = StopOnDrop::default();
    let _turn = api.evaluating.lock().await;
    Ok(api.app.feature_map(&api.kept, query, gone.watch()).await?)
}

/// Attention roll-out (Abnar and Zuidema 2020) of a validation image without and with the trigger, and the mean share of it on the trigger's
/// pixels. Made one at a time; dropping the request cancels the work.
#[utoipa::path(get, path = "/runs/{id}/attention", tag = "results",
    params(("id" = RunId, Path, description = "Run"), AttentionQuery), responses((status = 200, body = Attention)))]
pub async fn get_attention(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<AttentionQuery>,
) -> Result<Json<Attention>, ApiError> {
    let AttentionQuery { file, imported, index, images } = query;
    let of = Wanted { run, imported, file };
    let index = index.unwrap_or(0);
    let gone = StopOnDrop::default();
    let _turn = api.evaluating.lock().await;
    let found = api.app.attention(&api.kept, &of, index, images, gone.watch()).await?;
    let Attentive { epoch, patch, class, pair, mean } = found;
    let side = pair.images[0].width() as u32;
    let image = |at: usize| AttendedImage {
        image: pixels::base64(&pair.images[at]),
        map: pair.maps[at].clone(),
        on_trigger: pair.on_trigger[at],
    };
    Ok(Json(Attention {
        epoch,
        side,
        patch,
        index,
        class,
        clean: image(0),
        triggered: image(1),
        mean: AttentionOnTrigger {
            images: mean.images as u32,
            clean: mean.on_trigger[0],
            triggered: mean.on_trigger[1],
            area: mean.area,
        },
    }))
}
