//! Uploaded images: forms in, PNG files out.

use std::path::{Path, PathBuf};

use axum::{
    extract::{
        DefaultBodyLimit, Multipart,
        multipart::{MultipartError, MultipartRejection},
    },
    http::StatusCode,
};
use engine::{
    decode::{Limits, Room},
    files,
};
use shared::api::Transparency;
use utoipa::ToSchema;

use super::{blocking, error::ApiError, pixels};
use crate::app::keys::sha256;

/// Maximum size of an upload in bytes.
const UPLOAD_LIMIT: u64 = 32 << 20;
/// What a form adds to its file: names, boundaries and headers of its parts.
const FORM_OVERHEAD: u64 = 64 << 10;
/// Maximum length of an image's name in characters.
const NAME_LENGTH: usize = 80;

/// The body limit of uploads; that of other requests is smaller.
pub fn upload_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max((UPLOAD_LIMIT + FORM_OVERHEAD) as usize)
}

/// A form that uploads an image.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its parts are read one by one")]
pub struct ImageForm {
    /// A PNG, JPEG or WebP file of up to 32 MiB and 64 megapixels.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// Display name; defaults to the file's name.
    name: Option<String>,
}

/// An image that was uploaded and is on the disk.
pub struct Uploaded {
    /// SHA-256 of its PNG file in hex, which the file is named by.
    pub sha256: String,
    /// Display name.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Stores a form's image as a PNG file in a folder, under its SHA-256. Transparent pixels are blended with white.
///
/// # Errors
/// When the form or its image cannot be read, or the file cannot be written.
pub async fn upload(
    form: Result<Multipart, MultipartRejection>,
    folder: PathBuf,
) -> Result<Uploaded, ApiError> {
    let form = form.map_err(|_| {
        ApiError::MediaType(
            "send a form (multipart/form-data) with the image as its part file".into(),
        )
    })?;
    let (name, bytes) = read_form(form).await?;
    blocking(move || {
        // Kept until the image is written.
        let room = Room::new(Limits { max_bytes: UPLOAD_LIMIT, ..Limits::default() });
        let image = room
            .decode(&bytes, Transparency::White)
            .map_err(|error| ApiError::field("file", error.to_string()))?;
        let file = pixels::png(&image)?;
        let sha256 = sha256(&file);
        let path = folder.join(format!("{sha256}.png"));
        files::write(&path, &file).map_err(|error| ApiError::written(&path, error))?;
        let (width, height) = (image.width() as u32, image.height() as u32);
        Ok(Uploaded { sha256, name, width, height })
    })
    .await
}

/// Reads the form's parts: the image's name and the file's bytes.
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
    let stem = file_name.as_deref().and_then(|name| Path::new(name).file_stem()?.to_str());
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
