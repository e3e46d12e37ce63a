//! Own pictures, of which *Reconstruct* shows what a model makes.

use axum::{
    Json,
    extract::{Multipart, State, multipart::MultipartRejection},
    http::StatusCode,
};
use shared::api::PictureInfo;

use super::{
    Api,
    error::ApiError,
    extract::Path,
    uploads::{ImageForm, Uploaded, upload},
};

/// All own pictures, newest first.
#[utoipa::path(get, path = "/pictures", tag = "results",
    responses((status = 200, body = [PictureInfo])))]
pub async fn list_pictures(State(api): State<Api>) -> Result<Json<Vec<PictureInfo>>, ApiError> {
    Ok(Json(api.app.store.list_pictures().await?))
}

/// Uploads an own picture. It is stored as PNG under the SHA-256 of the PNG file; uploading the same picture again changes nothing.
///
/// Transparent pixels are blended with white. Orientation tags are ignored, as those of a data set's images are.
#[utoipa::path(post, path = "/pictures", tag = "results",
    request_body(content = ImageForm, content_type = "multipart/form-data"),
    responses((status = 201, body = PictureInfo)))]
pub async fn add_picture(
    State(api): State<Api>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<PictureInfo>), ApiError> {
    let data_dir = &api.app.data_dir;
    let Uploaded { sha256, name, width, height } = upload(form, data_dir.pictures()).await?;
    let path = data_dir.below(&data_dir.picture_file(&sha256));
    let added_at = api.app.clock.now_ms();
    let picture = PictureInfo { id: sha256, name, width, height, added_at };
    let picture = api.app.store.insert_picture(&picture, &path).await?;
    Ok((StatusCode::CREATED, Json(picture)))
}

/// Removes an own picture.
#[utoipa::path(delete, path = "/pictures/{id}", tag = "results",
    params(("id" = String, Path, description = "Own picture")),
    responses((status = 204, description = "The picture was removed")))]
pub async fn remove_picture(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.app.remove_picture(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
