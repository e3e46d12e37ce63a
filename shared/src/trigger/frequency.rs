//! Frequency trigger: single coefficients of the cosine transform of the colour channels are raised in every window of the
//! image. FTrojan (Wang et al. 2022, "An invisible black-box backdoor attack through frequency domain") and CTRL (Li et al.
//! 2023, "An embarrassingly simple backdoor attack on self-supervised learning").
//!
//! The image is converted to YUV (BT.601), the U and V of each window are transformed, `magnitude` is added at each of `bins`, and
//! the result is transformed back. Both transforms are linear, so this adds one fixed pattern to every window.

use serde::{Deserialize, Serialize};

use super::{Ranges, Stage, dct::wave, offsets::Offsets};
use crate::field_error::FieldError;

/// The change of red, green and blue for one step of U plus one step of V: the inverse of the BT.601 matrix.
const RGB_OF_UV: [f64; 3] = [1.139_883_03, -0.394_642_33 - 0.580_621_85, 2.032_061_85];

/// Parameters of the frequency trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FrequencySpec {
    /// The amount added to a coefficient, in steps of 0–255 under the orthonormal transform: 100 in CTRL, 30 in FTrojan.
    pub magnitude: f32,
    /// Side of a window in pixels. Windows tile the image from the top-left corner; a remainder at the edges is unchanged.
    pub window: u32,
    /// Coefficients, each by row and column, from 0.
    pub bins: Vec<[u32; 2]>,
    /// Magnitude in the test images; defaults to `magnitude`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_magnitude: Option<f32>,
}

impl Default for FrequencySpec {
    fn default() -> Self {
        Self { magnitude: 100.0, window: 32, bins: vec![[15, 15], [31, 31]], test_magnitude: None }
    }
}

impl FrequencySpec {
    /// The published coefficients, in the middle and at the end of the spectrum, for a window of this side.
    pub fn bins_of(window: u32) -> Vec<[u32; 2]> {
        let middle = (window * 15 / 32).max(1);
        vec![[middle; 2], [window.saturating_sub(1); 2]]
    }

    /// The trigger with windows of another side, and its coefficients scaled in proportion.
    pub fn with_window(self, window: u32) -> Self {
        Self { window, bins: Self::bins_of(window), ..self }
    }

    pub(super) fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.positive("magnitude", self.magnitude, 400.0);
        if let Some(magnitude) = self.test_magnitude {
            ranges.positive("test_magnitude", magnitude, 400.0);
        }
        ranges.within("window", self.window, 2, side);
        let inside = |bin: &[u32; 2]| bin.iter().all(|&place| place < self.window);
        ranges.that(
            (1..=16).contains(&self.bins.len()) && self.bins.iter().all(inside),
            "bins",
            || {
                format!(
                    "takes 1 to 16 pairs of row and column, each from 0 to {}",
                    self.window.saturating_sub(1)
                )
            },
        );
        ranges.errors()
    }

    pub(super) fn offsets(&self, side: usize, stage: Stage) -> Offsets {
        let magnitude = f64::from(stage.choose(self.magnitude, self.test_magnitude));
        let window = self.window as usize;
        let waves: Vec<_> = self
            .bins
            .iter()
            .map(|&[row, column]| (wave(row as usize, window), wave(column as usize, window)))
            .collect();
        let covered = side / window * window;
        Offsets::new(side, |x, y| {
            if x >= covered || y >= covered {
                return [0.0; 3];
            }
            let (x, y) = (x % window, y % window);
            let step: f64 = waves.iter().map(|(rows, columns)| rows[y] * columns[x]).sum();
            RGB_OF_UV.map(|share| share * magnitude * step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rgb8;

    #[test]
    fn a_window_of_two_by_hand() {
        // Orthonormal, length 2: the wave of bin 1 is (1, -1) / sqrt 2, so bin (1, 1) adds magnitude / 2 in a checkerboard.
        let spec =
            FrequencySpec { magnitude: 20.0, window: 2, bins: vec![[1, 1]], test_magnitude: None };
        let mut image = Rgb8::filled(3, 3, [100; 3]);
        spec.offsets(3, Stage::Train).add(&mut image);
        assert_eq!(image.pixel(0, 0), [111, 90, 120]); // 10 * (1.1399, -.9753, 2.0321)
        assert_eq!(image.pixel(1, 0), [89, 110, 80]);
        assert_eq!(image.pixel(2, 1), [100; 3], "beyond the last whole window");
    }

    #[test]
    fn the_published_bins_are_those_of_a_window_of_32() {
        assert_eq!(FrequencySpec::bins_of(32), FrequencySpec::default().bins);
        assert!(FrequencySpec::default().with_window(8).validate(8, "t").is_empty());
        assert_eq!(FrequencySpec::default().validate(16, "t")[0].field, "t.window");
    }
}
