//! What is inside an encoder: a map of its features, and what its CLS token attends to.

use serde::{Deserialize, Serialize};

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
    /// Its first principal component.
    pub x: f64,
    /// Its second principal component.
    pub y: f64,
}

/// CLS features of validation images, projected by PCA: of every class without the trigger, and of the same images with it but for those of
/// the target class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FeatureMap {
    /// Epochs of training in the encoder.
    pub epoch: u32,
    /// The attacker's class.
    pub target_class: u32,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The images without the trigger, then those with it.
    pub points: Vec<FeaturePoint>,
    /// The components' shares of the variance, in 0–1.
    pub explained: [f64; 2],
    /// Mean cosine of the other classes' clean features to the mean of the target class's; `None` without an image of either.
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
