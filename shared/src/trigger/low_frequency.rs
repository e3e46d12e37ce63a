//! Low-frequency trigger (after Zeng et al. 2021, "Rethinking the backdoor attacks' triggers: a frequency perspective"): a smooth
//! perturbation is added to the whole image. Ours is random, not optimised: the lowest coefficients of the cosine transform of
//! each channel get random weights that decrease with the frequency, scaled to a given amplitude.

use serde::{Deserialize, Serialize};

use super::{Ranges, dct::wave, offsets::Offsets};
use crate::{
    field_error::FieldError,
    stream::{Purpose, stream, uniform},
};

/// Parameters of the low-frequency trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LowFrequencySpec {
    /// Largest change of a channel, in steps of 0–255.
    pub amplitude: f32,
    /// Number of frequencies used along each axis, from the lowest; the mean is unchanged.
    pub band: u32,
    /// Seed of the weights.
    pub seed: u64,
}

impl Default for LowFrequencySpec {
    fn default() -> Self {
        Self { amplitude: 24.0, band: 4, seed: 1 }
    }
}

impl LowFrequencySpec {
    pub(super) fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.positive("amplitude", self.amplitude, 255.0);
        ranges.within("band", self.band, 2, side.min(32));
        ranges.seed(self.seed);
        ranges.errors()
    }

    pub(super) fn offsets(&self, side: usize) -> Offsets {
        let band = self.band as usize;
        let waves: Vec<Vec<f64>> = (0..band).map(|bin| wave(bin, side)).collect();
        let channels = [0, 1, 2].map(|channel| {
            let mut rng = stream(self.seed, Purpose::Trigger, channel, 0);
            let mut pattern = vec![0.0; side * side];
            for (v, rows) in waves.iter().enumerate() {
                for (u, columns) in waves.iter().enumerate().skip(usize::from(v == 0)) {
                    let weight = f64::from(2.0 * uniform(&mut rng) - 1.0) / (u + v) as f64;
                    for (y, row) in rows.iter().enumerate() {
                        for (x, column) in columns.iter().enumerate() {
                            pattern[y * side + x] += weight * row * column;
                        }
                    }
                }
            }
            let largest = pattern.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            let gain = f64::from(self.amplitude) / largest.max(f64::MIN_POSITIVE);
            pattern.iter().map(|value| value * gain).collect::<Vec<_>>()
        });
        Offsets::new(side, |x, y| [0, 1, 2].map(|channel: usize| channels[channel][y * side + x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rgb8;

    #[test]
    fn the_change_is_smooth_and_reaches_its_amplitude() {
        let mut image = Rgb8::filled(32, 32, [128; 3]);
        LowFrequencySpec::default().offsets(32).add(&mut image);
        for channel in 0..3 {
            let at = |x, y| i32::from(image.pixel(x, y)[channel]) - 128;
            let values: Vec<i32> = (0..1024).map(|i| at(i % 32, i / 32)).collect();
            assert_eq!(values.iter().map(|value| value.abs()).max(), Some(24));
            assert!(values.iter().sum::<i32>().abs() < 1024, "the mean stays");
            let steps = (0..31).map(|x| (at(x + 1, 9) - at(x, 9)).abs()).max();
            assert!(steps <= Some(8), "{steps:?} between neighbours");
        }
    }
}
