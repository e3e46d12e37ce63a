//! Quantisation trigger (Wang, Zhai and Ma 2022, "BppAttack: stealthy and efficient trojan attacks against deep neural networks via
//! image quantization and contrastive adversarial learning"): each channel is quantised to `levels` values, optionally with
//! Floyd–Steinberg dithering.

use serde::{Deserialize, Serialize};

use super::{Ranges, offsets::to_byte};
use crate::{field_error::FieldError, image::Rgb8};

/// Parameters of the quantisation trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BppSpec {
    /// Number of values that a channel can take, evenly spaced from 0 to 255.
    pub levels: u32,
    /// Whether the error of each pixel is diffused to its neighbours.
    pub dither: bool,
}

impl Default for BppSpec {
    fn default() -> Self {
        Self { levels: 8, dither: false }
    }
}

impl BppSpec {
    pub(super) fn validate(&self, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.within("levels", self.levels, 2, 64);
        ranges.errors()
    }

    /// The nearest level to a value, as a channel value.
    fn nearest(&self, value: f64) -> f64 {
        let steps = f64::from(self.levels - 1);
        (value / 255.0 * steps).round_ties_even().clamp(0.0, steps) / steps * 255.0
    }

    pub(super) fn quantise(&self, image: &mut Rgb8) {
        if self.dither {
            self.spread(image);
        } else {
            let table: Vec<u8> =
                (0..=255u8).map(|v| to_byte(self.nearest(f64::from(v)) as f32)).collect();
            for value in image.data_mut() {
                *value = table[usize::from(*value)];
            }
        }
    }

    /// Floyd and Steinberg 1976: 7/16 of the error go right, 3/16, 5/16 and 1/16 to the row below.
    fn spread(&self, image: &mut Rgb8) {
        let (width, height) = (image.width(), image.height());
        let mut values: Vec<f64> = image.data().iter().copied().map(f64::from).collect();
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let at = (y * width + x) * 3 + channel;
                    let old = values[at];
                    let new = self.nearest(old);
                    values[at] = new;
                    let error = old - new;
                    let mut give = |there: bool, at: usize, share: f64| {
                        if there {
                            values[at] += error * share;
                        }
                    };
                    let below = y + 1 < height;
                    give(x + 1 < width, at + 3, 7.0 / 16.0);
                    give(below && x > 0, at + 3 * width - 3, 3.0 / 16.0);
                    give(below, at + 3 * width, 5.0 / 16.0);
                    give(below && x + 1 < width, at + 3 * width + 3, 1.0 / 16.0);
                }
            }
        }
        for (pixel, value) in image.data_mut().iter_mut().zip(values) {
            *pixel = to_byte(value as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_hand() {
        let mut image = Rgb8::filled(1, 1, [0, 100, 255]);
        BppSpec { levels: 8, dither: false }.quantise(&mut image);
        assert_eq!(image.pixel(0, 0), [0, 109, 255]); // 100 / 255 * 7 = 2.75, so level 3: 109.3
    }

    #[test]
    fn dithering_keeps_the_mean() {
        let mut image = Rgb8::filled(16, 16, [100; 3]);
        BppSpec { levels: 2, dither: true }.quantise(&mut image);
        assert!(image.data().iter().all(|&value| value == 0 || value == 255));
        let mean = image.data().iter().map(|&v| f64::from(v)).sum::<f64>() / 768.0;
        assert!((mean - 100.0).abs() < 6.0, "{mean}");
    }
}
