//! Encoding of pixels for responses: base64 for a canvas, PNG for an `<img>`.

use axum::{
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use shared::Rgb8;

use super::error::ApiError;
use crate::{app::keys::sha256, sheet};

/// Sides in which pixels can be requested.
const SIDES: std::ops::RangeInclusive<u32> = 4..=512;

/// The image's bytes, `height * width * 3` of RGB, in base64.
pub fn base64(image: &Rgb8) -> String {
    STANDARD.encode(image.data())
}

/// The image as a PNG file.
///
/// # Errors
/// When the encoder fails, which is not expected.
pub fn png(image: &Rgb8) -> Result<Vec<u8>, ApiError> {
    sheet::png(image).map_err(ApiError::internal)
}

/// The side as a size, if it is within the limits.
///
/// # Errors
/// When it is too small or too large.
pub fn checked_side(side: u32) -> Result<usize, ApiError> {
    if SIDES.contains(&side) {
        Ok(side as usize)
    } else {
        let (low, high) = (SIDES.start(), SIDES.end());
        Err(ApiError::field("side", format!("takes {low} to {high} pixels, not {side}")))
    }
}

/// Answers with a PNG file. `tag` identifies its content: a browser that has it cached need not download it again.
pub fn png_response(file: Vec<u8>, tag: &str) -> Response {
    let headers = [(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "private, no-cache"), (ETAG, tag)];
    (headers, file).into_response()
}

/// Answers with a PNG file, unless the browser has its content cached.
pub fn png_unless_known(headers: &HeaderMap, file: Vec<u8>) -> Response {
    let tag = entity_tag(&[&sha256(&file)]);
    not_modified(headers, &tag).unwrap_or_else(|| png_response(file, &tag))
}

/// The response to a browser that already has this content cached; `None` for one that does not.
pub fn not_modified(headers: &HeaderMap, tag: &str) -> Option<Response> {
    let known = headers.get(IF_NONE_MATCH)?.to_str().ok()?;
    known
        .split(',')
        .any(|known| known.trim().trim_start_matches("W/") == tag)
        .then(|| (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response())
}

/// A quoted entity tag of these parts, which together identify the content.
pub fn entity_tag(parts: &[&dyn std::fmt::Display]) -> String {
    let text: Vec<String> = parts.iter().map(ToString::to_string).collect();
    format!("\"{}\"", text.join("-"))
}
