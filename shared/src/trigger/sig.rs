//! Sinusoidal signal (Barni, Kallas and Tondi 2019, "A new backdoor attack in CNNs by training set corruption without label
//! poisoning", equation 1): every column `x` of an image of width `W` gets `delta * sin(2 pi f x / W)`.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::{Ranges, Stage, offsets::Offsets};
use crate::field_error::FieldError;

/// Parameters of the sinusoidal signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SigSpec {
    /// Amplitude in steps of 0–255.
    pub delta: f32,
    /// Periods over the image's width.
    pub frequency: f32,
    /// Amplitude in the test images; defaults to `delta`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_delta: Option<f32>,
}

impl Default for SigSpec {
    fn default() -> Self {
        Self { delta: 40.0, frequency: 6.0, test_delta: None }
    }
}

impl SigSpec {
    pub(super) fn validate(&self, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.positive("delta", self.delta, 255.0);
        ranges.positive("frequency", self.frequency, 64.0);
        if let Some(delta) = self.test_delta {
            ranges.positive("test_delta", delta, 255.0);
        }
        ranges.errors()
    }

    pub(super) fn offsets(&self, side: usize, stage: Stage) -> Offsets {
        let delta = f64::from(stage.choose(self.delta, self.test_delta));
        let turns = f64::from(self.frequency) / side as f64;
        Offsets::new(side, |x, _| [delta * libm::sin(TAU * turns * x as f64); 3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Rgb8;

    #[test]
    fn columns_by_hand() {
        let spec = SigSpec { delta: 20.0, frequency: 1.0, test_delta: Some(60.0) };
        let row = |stage| {
            let mut image = Rgb8::filled(4, 4, [100; 3]);
            spec.offsets(4, stage).add(&mut image);
            [0, 1, 2, 3].map(|x| image.pixel(x, 3)[1])
        };
        assert_eq!(row(Stage::Train), [100, 120, 100, 80]);
        assert_eq!(row(Stage::Test), [100, 160, 100, 40]);
    }
}
