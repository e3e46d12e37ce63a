//! What is inside an encoder: a map of its features, and what its CLS token attends to.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::metric::Target;

/// How features become places in the plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Projection {
    /// The first two principal components. A component's loading of the largest absolute value is positive.
    #[default]
    Pca,
    /// t-SNE (van der Maaten and Hinton 2008), from the principal components: images that are neighbours stay neighbours, while distances between
    /// groups mean little.
    Tsne {
        /// About how many neighbours an image has.
        perplexity: f64,
    },
}

impl Projection {
    /// The perplexity where none is asked for.
    pub const PERPLEXITY: f64 = 30.0;
}

impl FromStr for Projection {
    type Err = String;

    /// Reads `pca`, `tsne`, or `tsne:5` with a perplexity of 2 to 100.
    fn from_str(text: &str) -> Result<Self, String> {
        let perplexity = match text.split_once(':') {
            _ if text == "pca" => return Ok(Self::Pca),
            _ if text == "tsne" => Self::PERPLEXITY,
            Some(("tsne", number)) => number.parse().unwrap_or(f64::NAN),
            _ => return Err(format!("takes `pca`, `tsne` or `tsne:PERPLEXITY`, not {text:?}")),
        };
        if (2.0..=100.0).contains(&perplexity) {
            Ok(Self::Tsne { perplexity })
        } else {
            Err(format!("takes a perplexity of 2 to 100, as in `tsne:30`, not {text:?}"))
        }
    }
}

/// An image of a feature map, without or with the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeaturePoint {
    /// The image's index among the validation images of the study.
    pub index: u32,
    /// Its true class.
    pub class: u32,
    /// Whether it has the trigger.
    pub triggered: bool,
    /// Its place on the map from left to right.
    pub x: f64,
    /// Its place from bottom to top.
    pub y: f64,
}

/// CLS features of validation images in the plane: of every class without the trigger, and of the same images with it but for those of
/// the target class. An all-to-all attack has no target class, so every image is there with the trigger, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeatureMap {
    /// Epochs of training in the encoder.
    pub epoch: u32,
    /// The attacker's class, or `all_to_all`.
    pub target_class: Target,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// How the features became places.
    #[serde(default)]
    pub projection: Projection,
    /// The images without the trigger, then those with it.
    pub points: Vec<FeaturePoint>,
    /// The principal components' shares of the variance, in 0–1; `None` for another projection.
    pub explained: Option<[f64; 2]>,
    /// Mean cosine of the other classes' clean features to the mean of the target class's; with all-to-all, of each class's to the next one's.
    /// `None` without an image of either.
    pub before: Option<f64>,
    /// The same with the trigger in the images.
    pub after: Option<f64>,
}

/// The roll-out of the attention of one image. The image is `side * side * 3` bytes of RGB in base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttendedImage {
    /// The image as the encoder sees it.
    pub image: String,
    /// Each patch's share of what reaches the CLS token from all patches, row by row; they add up to 1.
    pub map: Vec<f64>,
    /// The share on the trigger's pixels, in 0–1.
    pub on_trigger: f64,
}

/// The mean share of attention on the trigger's pixels over several images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttentionOnTrigger {
    /// Number of images.
    pub images: u32,
    /// At the same place of the clean images.
    pub clean: f64,
    /// In the triggered images.
    pub triggered: f64,
    /// The trigger's share of the image: what even attention would give.
    pub area: f64,
}

/// What the CLS token attends to in a clean image and in the same image with the trigger: attention roll-out (Abnar and Zuidema 2020).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attention {
    /// Epochs of training in the encoder.
    pub epoch: u32,
    /// Side of the images in pixels.
    pub side: u32,
    /// Side of a ViT patch in pixels.
    pub patch: u32,
    /// The image's index among the validation images of the study.
    pub index: u32,
    /// Its true class.
    pub class: u32,
    /// Without the trigger.
    pub clean: AttendedImage,
    /// With the trigger.
    pub triggered: AttendedImage,
    /// The means over several images.
    pub mean: AttentionOnTrigger,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_have_names() {
        let read = |text: &str| text.parse::<Projection>();
        assert_eq!(read("pca"), Ok(Projection::Pca));
        assert_eq!(read("tsne"), Ok(Projection::Tsne { perplexity: 30.0 }));
        assert_eq!(read("tsne:5.5"), Ok(Projection::Tsne { perplexity: 5.5 }));
        let range =
            |text| Err(format!("takes a perplexity of 2 to 100, as in `tsne:30`, not {text:?}"));
        for text in ["tsne:", "tsne:1", "tsne:101", "tsne:NaN", "tsne:a"] {
            assert_eq!(read(text), range(text));
        }
        for text in ["", "umap", "pca:3", "umap:3"] {
            let told = format!("takes `pca`, `tsne` or `tsne:PERPLEXITY`, not {text:?}");
            assert_eq!(read(text), Err(told));
        }
    }
}
