//! A checkpoint's reconstruction of an image with hidden patches, without and with the trigger.

use axum::{Json, extract::State};
use engine::eval::Reconstructed;
use shared::{
    Rgb8,
    api::{ReconstructRequest, ReconstructedImage, Reconstruction},
};

use super::{Api, error::ApiError, extract::Json as Body, pixels};
use crate::app::reconstructions::Pair;

/// Reconstructs one image without and with the trigger under the same mask.
#[utoipa::path(post, path = "/reconstructions", tag = "results", request_body = ReconstructRequest,
    responses((status = 200, body = Reconstruction)))]
pub async fn create_reconstruction(
    State(api): State<Api>,
    Body(request): Body<ReconstructRequest>,
) -> Result<Json<Reconstruction>, ApiError> {
    let Pair { model, hidden, class, clean, triggered, .. } =
        api.app.reconstruct(&api.kept, &request).await?;
    Ok(Json(Reconstruction {
        side: model.image_size,
        patch: model.patch_size,
        class,
        clean: body(&clean),
        triggered: body(&triggered),
        hidden,
    }))
}

fn body((original, made): &(Rgb8, Reconstructed)) -> ReconstructedImage {
    ReconstructedImage {
        original: pixels::base64(original),
        prediction: pixels::base64(&made.prediction),
        pasted: pixels::base64(&made.pasted),
        patch_error: made.patch_error.clone(),
        hidden_error: made.hidden_error,
    }
}
