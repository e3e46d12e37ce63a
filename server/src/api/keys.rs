//! Key images of the blended trigger: built-in ones and uploads.

use std::io::ErrorKind;

use axum::{
    Json,
    extract::{Multipart, State, multipart::MultipartRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use engine::{
    decode::Room,
    keys::{BUILTIN, BuiltinKey},
};
use serde::Deserialize;
use shared::{
    Rgb8,
    api::{KeyInfo, KeyPixels},
    resize::bilinear,
};
use utoipa::IntoParams;

use super::{
    Api, blocking,
    error::ApiError,
    extract::{Path, Query},
    pixels,
    uploads::{ImageForm, Uploaded, upload},
};
use crate::app::keys::{key_file, sha256};

/// The size of the image.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SideQuery {
    /// Side in pixels; defaults to 32.
    #[param(minimum = 4, maximum = 512)]
    side: Option<u32>,
}

/// All key images: the built-in ones, then uploads in the order of their upload.
#[utoipa::path(get, path = "/keys", tag = "data", responses((status = 200, body = [KeyInfo])))]
pub async fn list_keys(State(api): State<Api>) -> Result<Json<Vec<KeyInfo>>, ApiError> {
    let mut keys = blocking(|| BUILTIN.iter().map(describe).collect::<Result<Vec<_>, _>>()).await?;
    keys.extend(api.app.store.list_keys().await?);
    Ok(Json(keys))
}

/// Uploads a key image. It is stored as PNG under the SHA-256 of the PNG file; uploading the same image again changes nothing.
#[utoipa::path(post, path = "/keys", tag = "data",
    request_body(content = ImageForm, content_type = "multipart/form-data"),
    responses((status = 201, body = KeyInfo)))]
pub async fn add_key(
    State(api): State<Api>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<KeyInfo>), ApiError> {
    let Uploaded { sha256, name, width, height } = upload(form, api.app.data_dir.keys()).await?;
    let key = KeyInfo { id: sha256.clone(), name, sha256, width, height, builtin: false };
    api.app.store.insert_key(&key, api.app.clock.now_ms()).await?;
    Ok((StatusCode::CREATED, Json(key)))
}

/// A key image's pixels, resized to a square by the same code that poisons images.
#[utoipa::path(get, path = "/keys/{id}/pixels", tag = "data",
    params(("id" = String, Path, description = "Key"), SideQuery),
    responses((status = 200, body = KeyPixels)))]
pub async fn get_key_pixels(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<SideQuery>,
) -> Result<Json<KeyPixels>, ApiError> {
    let side = pixels::checked_side(query.side.unwrap_or(32))?;
    let key = blocking(move || {
        let room = Room::default();
        let image = bilinear(&open_key(&api, &id, &room)?, side, side);
        Ok(KeyPixels { id, side: side as u32, rgb: pixels::base64(&image) })
    })
    .await?;
    Ok(Json(key))
}

/// A key image as a PNG file, in its original size.
#[utoipa::path(get, path = "/keys/{id}/image.png", tag = "data",
    params(("id" = String, Path, description = "Key")),
    responses((status = 200, content_type = "image/png", body = Vec<u8>)))]
pub async fn get_key_image(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = blocking(move || read_key(&api, &id)).await?;
    Ok(pixels::png_unless_known(&headers, file))
}

/// A key image in its original size. Reads a file: call it where blocking is allowed.
///
/// # Errors
/// When there is no key image with this identifier.
fn open_key(api: &Api, id: &str, room: &Room) -> Result<Rgb8, ApiError> {
    engine::keys::image_in(room, &read_key(api, id)?).map_err(ApiError::internal)
}

fn read_key(api: &Api, id: &str) -> Result<Vec<u8>, ApiError> {
    key_file(&api.app.data_dir, id).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ApiError::NotFound(format!("there is no key image {id:?}")),
        _ => ApiError::internal(error),
    })
}

fn describe(key: &BuiltinKey) -> Result<KeyInfo, ApiError> {
    let image = engine::keys::image(key.file).map_err(ApiError::internal)?;
    Ok(KeyInfo {
        id: key.id.into(),
        name: key.name.into(),
        sha256: sha256(key.file),
        width: image.width() as u32,
        height: image.height() as u32,
        builtin: true,
    })
}
