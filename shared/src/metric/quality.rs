//! How visible a trigger is.

use serde::{Deserialize, Serialize};

/// How visible a trigger is: means over images, triggered against clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quality {
    /// Peak signal-to-noise ratio in dB over the images that the trigger changes; `None` when it changes none.
    pub psnr: Option<f64>,
    /// Structural similarity (Wang et al. 2004), 1 for equal images; `None` for images smaller than its window.
    pub ssim: Option<f64>,
}
