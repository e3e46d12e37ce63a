//! Reconstructions under a mask.

use serde::{Deserialize, Serialize};

use super::dataset::Split;
use crate::id::RunId;

/// Which patches are hidden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MaskSpec {
    /// A random mask.
    Random {
        /// Share of hidden patches, above 0 and below 1.
        ratio: f64,
        /// Seed of the mask.
        seed: u64,
    },
    /// A hand-painted mask: one entry per patch, row by row, `true` = hidden.
    Painted {
        /// Hidden patches.
        hidden: Vec<bool>,
    },
}

/// Requests a reconstruction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconstructRequest {
    /// Pre-training whose checkpoint to open. Its study provides images and trigger.
    pub run: RunId,
    /// Imported checkpoint to open instead, by name; the run may then be any run of the study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// File name of the checkpoint; defaults to the last one.
    #[serde(default)]
    pub file: Option<String>,
    /// Part of the data set.
    pub split: Split,
    /// Index of the image within it.
    pub index: u32,
    /// Hidden patches.
    pub mask: MaskSpec,
}

/// A reconstruction of the clean and of the triggered image under one mask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reconstruction {
    /// Side of the images in pixels.
    pub side: u32,
    /// Side of a ViT patch in pixels.
    pub patch: u32,
    /// Hidden patches, row by row.
    pub hidden: Vec<bool>,
    /// True class of the image.
    pub class: u32,
    /// Without the trigger.
    pub clean: ReconstructedImage,
    /// With the trigger.
    pub triggered: ReconstructedImage,
}

/// One image and its reconstruction. Images are `side * side * 3` bytes of RGB in base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReconstructedImage {
    /// The input image.
    pub original: String,
    /// The model's prediction of every patch.
    pub prediction: String,
    /// The prediction in the hidden patches, the original in the visible ones.
    pub pasted: String,
    /// Mean squared error of each patch, row by row, in squared intensities of 0–1.
    pub patch_error: Vec<f32>,
    /// Mean of `patch_error` over the hidden patches.
    pub hidden_error: f32,
}
