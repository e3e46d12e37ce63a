//! Data sets and their images.

use serde::{Deserialize, Serialize};

pub use crate::dataset::{DatasetInfo, HoldOut, LeftOut, Share, SkippedFile, Split, Transparency};

/// Adds a folder in one of the known layouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddDataset {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Folder on the server's machine.
    pub path: String,
    /// What becomes of transparent pixels.
    #[serde(default)]
    pub transparency: Transparency,
    /// Holds out a share of the training images for validation, in a folder that has no validation images of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<HoldOut>,
}

/// Some images of a data set, resized to squares, as an attack editor draws them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Samples {
    /// Side of each image in pixels.
    pub side: u32,
    /// The images.
    pub items: Vec<SampleImage>,
}

impl Samples {
    /// Most images.
    pub const MOST: usize = 256;
    /// Most pixels of all images. A server holds each of them in four bytes of text, twice while it sends them.
    const MOST_PIXELS: usize = 16 << 20;

    /// Most images of this side, which is not 0, in one answer: 256 up to 256 pixels, and 64 of 512.
    pub fn most(side: u32) -> usize {
        let side = side as usize;
        Self::MOST.min(Self::MOST_PIXELS / (side * side))
    }
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SampleImage {
    /// Index within the split.
    pub index: u32,
    /// Its class.
    pub class: u32,
    /// File below the data set's folder, or a name for a drawn picture.
    pub name: String,
    /// `side * side * 3` bytes of RGB in base64.
    pub rgb: String,
}
