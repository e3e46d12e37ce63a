//! Reflection trigger (Liu et al. 2020, "Reflection backdoor: a natural backdoor attack on deep neural networks"): the key image
//! is added to the photograph like a reflection in a window pane, in linear light (gamma 2.2). Some reflections are doubled by a thick
//! pane (section 3.2, "ghost"), the others are out of focus. The kind, strength and shift are drawn for each image from its content
//! and the seed.
//!
//! Our version repeats the key image's edge where a shift exposes it, and derives the blur's loss of light from the weights only.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Ranges, image_stream, offsets::share_to_byte};
use crate::{
    field_error::FieldError,
    image::Rgb8,
    stream::{below, uniform},
};

/// Exponent between stored values and linear light.
const GAMMA: f32 = 2.2;

/// Parameters of the reflection trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReflectionSpec {
    /// Key image: a built-in key's name or an uploaded one's SHA-256 in hex.
    pub key: String,
    /// Share of the images whose reflection is doubled; the others are out of focus.
    #[serde(default = "ghost")]
    pub ghost: f32,
    /// Smallest weight of the reflection in linear light; each image's weight is drawn uniformly from here to `weight_to`.
    #[serde(default = "weight_from")]
    pub weight_from: f32,
    /// Largest weight of the reflection.
    #[serde(default = "weight_to")]
    pub weight_to: f32,
    /// Seed of the draws for each image.
    #[serde(default = "seed")]
    pub seed: u64,
}

fn ghost() -> f32 {
    0.49
}

fn weight_from() -> f32 {
    0.05
}

fn weight_to() -> f32 {
    0.45
}

fn seed() -> u64 {
    1
}

/// A key image in linear light, prepared for images of its size.
#[derive(Clone, Debug)]
pub(super) struct Pane {
    ghost: f32,
    weight: [f32; 2],
    seed: u64,
    /// Table from stored values to linear light.
    linear: Vec<f32>,
    key: Rgb8,
}

impl ReflectionSpec {
    /// The paper's parameters with this key image.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ghost: ghost(),
            weight_from: weight_from(),
            weight_to: weight_to(),
            seed: seed(),
        }
    }

    pub(super) fn validate(&self, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.that(!self.key.is_empty(), "key", || "choose a key image".into());
        ranges.share("ghost", self.ghost);
        ranges.positive("weight_from", self.weight_from, 1.0);
        ranges.positive("weight_to", self.weight_to, 1.0);
        ranges.that(self.weight_from <= self.weight_to, "weight_to", || {
            format!(
                "must be at least the smallest weight {}, not {}",
                self.weight_from, self.weight_to
            )
        });
        ranges.seed(self.seed);
        ranges.errors()
    }

    /// Prepares the trigger; `key` has the size of the images.
    pub(super) fn pane(&self, key: Rgb8) -> Pane {
        let linear = (0..=255u8).map(|v| libm::powf(f32::from(v) / 255.0, GAMMA)).collect();
        Pane {
            ghost: self.ghost,
            weight: [self.weight_from, self.weight_to],
            seed: self.seed,
            linear,
            key,
        }
    }
}

impl Pane {
    pub fn reflect(&self, image: &mut Rgb8) {
        let mut rng = image_stream(self.seed, image);
        let [low, high] = self.weight;
        let weight = low + (high - low) * uniform(&mut rng);
        let reflection = if uniform(&mut rng) < self.ghost {
            self.doubled(&mut rng)
        } else {
            self.blurred(1.0 + 4.0 * uniform(&mut rng))
        };
        for (pixel, light) in image.data_mut().iter_mut().zip(reflection) {
            let sum = self.linear[usize::from(*pixel)] * (1.0 - weight) + light * weight;
            *pixel = share_to_byte(libm::powf(sum, 1.0 / GAMMA));
        }
    }

    fn light(&self, x: usize, y: usize) -> [f32; 3] {
        self.key.pixel(x, y).map(|value| self.linear[usize::from(value)])
    }

    /// The key image and a copy of it shifted right and down by three to eight pixels, with unequal weights.
    fn doubled(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let [right, down] = [0; 2].map(|_: u8| 3 + below(rng, 6) as usize);
        let part = 0.15 + 0.35 * uniform(rng);
        let share = if uniform(rng) < 0.5 { 1.0 - part } else { part };
        let (width, height) = (self.key.width(), self.key.height());
        let mut out = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let (near, far) =
                    (self.light(x, y), self.light(x.saturating_sub(right), y.saturating_sub(down)));
                out.extend([0, 1, 2].map(|c: usize| share * near[c] + (1.0 - share) * far[c]));
            }
        }
        out
    }

    /// The key image blurred by a Gaussian of `sigma` pixels.
    fn blurred(&self, sigma: f32) -> Vec<f32> {
        let (width, height) = (self.key.width(), self.key.height());
        let reach = (2.0 * sigma).ceil() as i64;
        let weights: Vec<f32> = (-reach..=reach)
            .map(|i| libm::expf(-((i * i) as f32) / (2.0 * sigma * sigma)))
            .collect();
        let total: f32 = weights.iter().sum();
        let near = |at: usize, step: usize, length: usize| {
            (at as i64 + step as i64 - reach).clamp(0, length as i64 - 1) as usize
        };
        let mut rows = vec![0.0; width * height * 3];
        for (i, sums) in rows.chunks_exact_mut(3).enumerate() {
            for (step, weight) in weights.iter().enumerate() {
                let light = self.light(near(i % width, step, width), i / width);
                (0..3).for_each(|channel| sums[channel] += weight / total * light[channel]);
            }
        }
        let mut out = vec![0.0; rows.len()];
        for (i, sums) in out.chunks_exact_mut(3).enumerate() {
            for (step, weight) in weights.iter().enumerate() {
                let from = (near(i / width, step, height) * width + i % width) * 3;
                (0..3).for_each(|channel| sums[channel] += weight / total * rows[from + channel]);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pane(ghost: f32) -> Pane {
        let key = Rgb8::from_fn(16, 16, |x, _| [if x % 4 < 2 { 255 } else { 0 }; 3]);
        ReflectionSpec { ghost, weight_from: 0.3, weight_to: 0.3, ..ReflectionSpec::new("k") }
            .pane(key)
    }

    #[test]
    fn light_is_added_by_weight() {
        // A uniform key stays uniform under both kinds: .3 of white over black is .3 of the light.
        let key = Rgb8::filled(16, 16, [255; 3]);
        for ghost in [0.0, 1.0] {
            let spec = ReflectionSpec {
                ghost,
                weight_from: 0.3,
                weight_to: 0.3,
                ..ReflectionSpec::new("k")
            };
            let mut image = Rgb8::filled(16, 16, [0; 3]);
            spec.pane(key.clone()).reflect(&mut image);
            assert_eq!(image, Rgb8::filled(16, 16, [148; 3])); // 255 * .3 ^ (1 / 2.2) = 147.5
        }
    }

    #[test]
    fn a_reflection_out_of_focus_is_smoother_than_a_doubled_one() {
        let rough = |ghost| {
            let mut image = Rgb8::filled(16, 16, [40; 3]);
            pane(ghost).reflect(&mut image);
            (1..15)
                .map(|x| i32::from(image.pixel(x, 12)[0].abs_diff(image.pixel(x + 1, 12)[0])))
                .sum::<i32>()
        };
        assert!(rough(0.0) < rough(1.0), "{} {}", rough(0.0), rough(1.0));
    }
}
