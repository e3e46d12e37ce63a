//! How visible a trigger is.

use serde::{Deserialize, Serialize};

use super::Ratio;

/// What is left of a trigger in views of images. Shares are of the sum of all changes that the trigger makes to an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Survival {
    /// Mean share within the crop.
    pub cropped: f64,
    /// Mean share within the crop and in visible patches.
    pub visible: f64,
    /// Share of the views with less than a hundredth of the trigger.
    pub unseen: f64,
    /// Number of views.
    pub views: u32,
}

impl Survival {
    /// The views with a hundredth of the trigger or more.
    pub fn seen(&self) -> Ratio {
        let hits = (f64::from(self.views) * (1.0 - self.unseen)).round() as u32;
        Ratio { hits, total: self.views }
    }
}

/// How visible a trigger is: means over images, triggered against clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quality {
    /// Peak signal-to-noise ratio in dB over the images that the trigger changes; `None` when it changes none.
    pub psnr: Option<f64>,
    /// Structural similarity (Wang et al. 2004), 1 for equal images; `None` for images smaller than its window.
    pub ssim: Option<f64>,
    /// What the crops and masks of pre-training leave of it, on average; `None` where the study pre-trains nothing, and in runs of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survival: Option<Survival>,
}

impl Quality {
    /// `PSNR 18.2 dB, SSIM 0.871, 13 % seen in pre-training`; `nothing changes` where the trigger changes nothing.
    pub fn in_words(&self) -> String {
        let Some(psnr) = self.psnr else { return "nothing changes".to_owned() };
        let ssim = self.ssim.map(|ssim| format!("SSIM {ssim:.3}"));
        let seen =
            self.survival.map(|seen| format!("{:.0} % seen in pre-training", 100.0 * seen.visible));
        let parts = [Some(format!("PSNR {psnr:.1} dB")), ssim, seen];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words_by_hand() {
        let survival = Some(Survival { cropped: 0.5, visible: 0.125, unseen: 0.25, views: 8 });
        let mut quality = Quality { psnr: Some(18.24), ssim: Some(0.8714), survival };
        assert_eq!(quality.in_words(), "PSNR 18.2 dB, SSIM 0.871, 12 % seen in pre-training");
        (quality.ssim, quality.survival) = (None, None);
        assert_eq!(quality.in_words(), "PSNR 18.2 dB");
        assert_eq!(Quality::default().in_words(), "nothing changes");
    }
}
