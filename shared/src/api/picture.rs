//! Own pictures, of which *Reconstruct* shows what a model makes.

use serde::{Deserialize, Serialize};

/// An uploaded picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PictureInfo {
    /// SHA-256 of its PNG file in hex.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// When it was uploaded, in Unix milliseconds.
    pub added_at: u64,
}
