//! Key images of the blended trigger.

use serde::{Deserialize, Serialize};

/// A key image of the blended trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    /// The identifier that a trigger uses: `stripes`, `swirl`, `noise`, `glyph`, or an uploaded image's SHA-256 in hex.
    pub id: String,
    /// Display name.
    pub name: String,
    /// SHA-256 of the file in hex.
    pub sha256: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it is built in.
    pub builtin: bool,
}

/// Pixels of a key image, resized to a square by the same code that poisons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyPixels {
    /// The key.
    pub id: String,
    /// Side in pixels.
    pub side: u32,
    /// `side * side * 3` bytes of RGB in base64.
    pub rgb: String,
}
