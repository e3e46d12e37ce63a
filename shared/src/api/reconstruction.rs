//! Reconstructions under a mask.

use serde::{Deserialize, Serialize};

use super::dataset::Split;
use crate::{field_error::FieldError, id::RunId};

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

/// Which image is reconstructed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageChoice {
    /// One of the study's data set.
    OfDataset {
        /// Part of the data set.
        split: Split,
        /// Index within it.
        index: u32,
    },
    /// An own picture, by its identifier.
    Picture(String),
}

/// Requests a reconstruction of an image of the study's data set (`split` and `index`) or of an own picture (`picture`).
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Index of the image within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// An own picture instead of an image of the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Hidden patches.
    pub mask: MaskSpec,
}

impl ReconstructRequest {
    /// Requests the reconstruction of an image under a mask by a run's last checkpoint.
    pub fn new(run: RunId, image: ImageChoice, mask: MaskSpec) -> Self {
        let (split, index, picture) = match image {
            ImageChoice::OfDataset { split, index } => (Some(split), Some(index), None),
            ImageChoice::Picture(picture) => (None, None, Some(picture)),
        };
        Self { run, imported: None, file: None, split, index, picture, mask }
    }

    /// The image.
    ///
    /// # Errors
    /// When the request names no image, or both a picture and an image of the data set.
    pub fn image(&self) -> Result<ImageChoice, FieldError> {
        match (&self.picture, self.split, self.index) {
            (Some(picture), None, None) => Ok(ImageChoice::Picture(picture.clone())),
            (Some(_), _, _) => Err(FieldError::new(
                "picture",
                "takes the place of split and index; name an own picture, or an image of the data set",
            )),
            (None, Some(split), Some(index)) => Ok(ImageChoice::OfDataset { split, index }),
            (None, None, _) => Err(FieldError::new(
                "split",
                "is missing: name an image by split and index, or an own picture by picture",
            )),
            (None, Some(_), None) => {
                Err(FieldError::new("index", "is missing: which image of the split?"))
            }
        }
    }
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
    /// True class of the image; an own picture has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<u32>,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> MaskSpec {
        MaskSpec::Random { ratio: 0.75, seed: 1 }
    }

    #[test]
    fn an_image_is_one_of_the_data_set_or_an_own_picture() {
        let run = RunId::from_parts(1, [1; 10]);
        for (image, fields) in [
            (
                ImageChoice::OfDataset { split: Split::Test, index: 7 },
                r#""split":"test","index":7"#,
            ),
            (ImageChoice::Picture("ab".into()), r#""picture":"ab""#),
        ] {
            let request = ReconstructRequest::new(run, image.clone(), mask());
            assert_eq!(request.image(), Ok(image));
            let text = serde_json::to_string(&request).expect("text keys");
            assert!(text.contains(&format!(r#""file":null,{fields},"mask""#)), "{text}");
            assert_eq!(serde_json::from_str::<ReconstructRequest>(&text).expect("whole"), request);
        }
    }

    #[test]
    fn a_request_without_one_image_names_the_field() {
        let picture = ImageChoice::Picture("ab".into());
        let none = ReconstructRequest {
            picture: None,
            ..ReconstructRequest::new(RunId::from_parts(1, [1; 10]), picture, mask())
        };
        let field = |request: &ReconstructRequest| request.image().expect_err("no image").field;
        assert_eq!(field(&none), "split");
        let index = Some(3);
        assert_eq!(field(&ReconstructRequest { index, ..none.clone() }), "split");
        let split = Some(Split::Train);
        assert_eq!(field(&ReconstructRequest { split, ..none.clone() }), "index");
        let both = ReconstructRequest { picture: Some("ab".into()), index, ..none };
        assert_eq!(field(&both), "picture");
    }
}
