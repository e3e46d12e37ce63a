//! Key images of the blended trigger: built-in ones and uploads.

use std::{io::ErrorKind, path::Path as FilePath};

use axum::{
    Json,
    extract::{
        DefaultBodyLimit, Multipart, State,
        multipart::{MultipartError, MultipartRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use engine::{
    decode::{Limits, Room},
    files,
    keys::{BUILTIN, BuiltinKey},
};
use serde::Deserialize;
use shared::{
    Rgb8,
    api::{KeyInfo, KeyPixels, Transparency},
    resize::bilinear,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api, blocking,
    error::ApiError,
    extract::{Path, Query},
    pixels,
};
use crate::app::keys::{key_file, sha256};

/// Maximum size of an upload in bytes.
const UPLOAD_LIMIT: u64 = 32 << 20;
/// What a form adds to its file: names, boundaries and headers of its parts.
const FORM_OVERHEAD: u64 = 64 << 10;
/// Maximum length of a key's name in characters.
const NAME_LENGTH: usize = 80;

/// The body limit of uploads; that of other requests is smaller.
pub fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max((UPLOAD_LIMIT + FORM_OVERHEAD) as usize)
}

/// A form that uploads a key image.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its parts are read one by one")]
pub struct KeyForm {
    /// A PNG, JPEG or WebP file of up to 32 MiB and 64 megapixels.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Display name; defaults to the file's name.
    name: Option<String>,
}

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
    request_body(content = KeyForm, content_type = "multipart/form-data"),
    responses((status = 201, body = KeyInfo)))]
pub async fn add_key(
    State(api): State<Api>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, Json<KeyInfo>), ApiError> {
    let form = form.map_err(|_| {
        ApiError::MediaType(
            "send a form (multipart/form-data) with the image as its part file".into(),
        )
    })?;
    let (name, bytes) = read_form(form).await?;
    let folder = api.app.data_dir.keys();
    let key = blocking(move || {
        // Kept until the image is written.
        let room = Room::new(Limits { max_bytes: UPLOAD_LIMIT, ..Limits::default() });
        let image = room
            .decode(&bytes, Transparency::White)
            .map_err(|error| ApiError::field("file", error.to_string()))?;
        keep(&folder, name, &image)
    })
    .await?;
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
    let tag = pixels::entity_tag(&[&sha256(&file)]);
    Ok(pixels::not_modified(&headers, &tag).unwrap_or_else(|| pixels::png_response(file, &tag)))
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

/// Reads the form's parts: the key's name and the file's bytes.
async fn read_form(mut form: Multipart) -> Result<(String, Vec<u8>), ApiError> {
    let mut name = None;
    let mut file_name = None;
    let mut file = None;
    while let Some(part) = form.next_field().await.map_err(|error| form_error(&error))? {
        match part.name() {
            Some("name") => name = Some(part.text().await.map_err(|error| form_error(&error))?),
            Some("file") => {
                file_name = part.file_name().map(str::to_owned);
                file = Some(part.bytes().await.map_err(|error| form_error(&error))?.to_vec());
            }
            other => {
                let other = other.unwrap_or_default().to_owned();
                return Err(ApiError::field(other, "the form has the parts file and name only"));
            }
        }
    }
    let file = file.filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| ApiError::field("file", "choose an image to upload"))?;
    let stem = file_name.as_deref().and_then(|name| FilePath::new(name).file_stem()?.to_str());
    let name = name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().count() > NAME_LENGTH) {
        return Err(ApiError::field("name", format!("takes at most {NAME_LENGTH} characters")));
    }
    let name = name.or(stem).unwrap_or("Uploaded image");
    Ok((name.chars().take(NAME_LENGTH).collect(), file))
}

fn form_error(error: &MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::TooLarge("an uploaded image takes at most 32 MiB".into())
    } else {
        ApiError::BadBody(format!("the form cannot be read: {}", error.body_text()))
    }
}

/// Stores the image as a PNG file under its SHA-256.
fn keep(folder: &FilePath, name: String, image: &Rgb8) -> Result<KeyInfo, ApiError> {
    let file = pixels::png(image)?;
    let sha256 = sha256(&file);
    let path = folder.join(format!("{sha256}.png"));
    files::write(&path, &file).map_err(|error| ApiError::written(&path, error))?;
    Ok(KeyInfo {
        id: sha256.clone(),
        name,
        sha256,
        width: image.width() as u32,
        height: image.height() as u32,
        builtin: false,
    })
}
