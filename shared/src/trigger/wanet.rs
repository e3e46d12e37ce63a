//! Warping trigger (Nguyen and Tran 2021, "WaNet – imperceptible warping-based backdoor attack"): a coarse random field of `k x k`
//! vectors, enlarged to the image's size, moves every pixel slightly (equations 4 to 6). In the paper's noise mode, further images
//! (cover samples) are warped by other fields and keep their label, so that a model learns this field and not warping in general.

use serde::{Deserialize, Serialize};

use super::{Ranges, image_stream, offsets::to_byte};
use crate::{
    field_error::FieldError,
    image::Rgb8,
    stream::{Purpose, stream, uniform},
};

/// Parameters of the warping trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WaNetSpec {
    /// Vectors along each side of the coarse field.
    pub k: u32,
    /// Mean displacement of a pixel: half of this value, in pixels.
    pub strength: f32,
    /// Factor of the sampling grid; 1 keeps the image's edges in place.
    pub grid_rescale: f32,
    /// Cover samples per poisoned image; 0 switches the noise mode off.
    pub cover_ratio: f32,
    /// Seed of the field.
    pub seed: u64,
}

impl Default for WaNetSpec {
    fn default() -> Self {
        Self { k: 4, strength: 0.5, grid_rescale: 1.0, cover_ratio: 2.0, seed: 1 }
    }
}

impl WaNetSpec {
    pub(super) fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.within("k", self.k, 2, side.min(64));
        ranges.positive("strength", self.strength, 8.0);
        ranges.seed(self.seed);
        ranges.that((0.5..=1.5).contains(&self.grid_rescale), "grid_rescale", || {
            format!("takes 0.5 to 1.5, not {}", self.grid_rescale)
        });
        ranges.that((0.0..=10.0).contains(&self.cover_ratio), "cover_ratio", || {
            format!("takes 0 to 10, not {}", self.cover_ratio)
        });
        ranges.errors()
    }

    /// The coarse field of the seed: `2 x k x k` numbers in (-1, 1), the horizontal displacements before the vertical ones.
    pub fn field(&self) -> Vec<f64> {
        let mut rng = stream(self.seed, Purpose::Trigger, 0, 0);
        (0..2 * self.k * self.k).map(|_| f64::from(2.0 * uniform(&mut rng) - 1.0)).collect()
    }
}

/// A warp of images of one size.
#[derive(Clone, Debug)]
pub struct Warp {
    side: usize,
    /// The source of each pixel, column and row, in -1 to 1 from the centre of the first pixel to that of the last.
    grid: Vec<[f64; 2]>,
}

impl Warp {
    /// The warp of a coarse field as returned by [`WaNetSpec::field`], for images of `side` x `side` pixels. Panics unless the field
    /// has `2 k k` numbers.
    pub fn new(spec: &WaNetSpec, field: &[f64], side: usize) -> Self {
        let k = spec.k as usize;
        assert_eq!(field.len(), 2 * k * k, "a field has 2 k k numbers");
        let mean = field.iter().map(|value| value.abs()).sum::<f64>() / field.len() as f64;
        let steps = [&field[..k * k], &field[k * k..]].map(|part| enlarge(part, k, side));
        let last = (side.max(2) - 1) as f64;
        let gain = f64::from(spec.strength) / mean.max(f64::MIN_POSITIVE) / side as f64;
        let rescale = f64::from(spec.grid_rescale);
        let place = |at: usize| 2.0 * at as f64 / last - 1.0;
        let grid = (0..side * side)
            .map(|i| {
                let [right, down] = [steps[0][i], steps[1][i]].map(|step| step * gain);
                [place(i % side) + right, place(i / side) + down]
                    .map(|at| (at * rescale).clamp(-1.0, 1.0))
            })
            .collect();
        Self { side, grid }
    }

    /// A warped copy of the image. Panics when the image has another size.
    pub fn applied(&self, image: &Rgb8) -> Rgb8 {
        assert_eq!(
            (image.width(), image.height()),
            (self.side, self.side),
            "a warp of another size"
        );
        let mut warped = image.clone();
        self.apply(&mut warped);
        warped
    }

    /// Warps the image with bilinear interpolation.
    pub(super) fn apply(&self, image: &mut Rgb8) {
        let source = image.clone();
        self.sample(&source, image, |_| [0.0; 2]);
    }

    /// Warps the image by another field: with an additional random displacement of up to one pixel's width at every pixel.
    pub(super) fn apply_noisy(&self, seed: u64, image: &mut Rgb8) {
        let source = image.clone();
        let mut rng = image_stream(seed, &source);
        let side = self.side as f64;
        self.sample(&source, image, |_| {
            [0, 1].map(|_| f64::from(2.0 * uniform(&mut rng) - 1.0) / side)
        });
    }

    fn sample(&self, source: &Rgb8, out: &mut Rgb8, mut more: impl FnMut(usize) -> [f64; 2]) {
        let last = self.side - 1;
        for (i, at) in self.grid.iter().enumerate() {
            let more = more(i);
            let [x, y] = [0, 1].map(|axis: usize| {
                0.5 * ((at[axis] + more[axis]).clamp(-1.0, 1.0) + 1.0) * last as f64
            });
            let (left, top) = ((x as usize).min(last), (y as usize).min(last));
            let (right, bottom) = ((left + 1).min(last), (top + 1).min(last));
            let (u, v) = (x - left as f64, y - top as f64);
            let corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
                .map(|(x, y)| source.pixel(x, y));
            let shares = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
            let colour = [0, 1, 2].map(|channel: usize| {
                let sum: f64 = corners
                    .iter()
                    .zip(shares)
                    .map(|(corner, share)| share * f64::from(corner[channel]))
                    .sum();
                to_byte(sum as f32)
            });
            out.set_pixel(i % self.side, i / self.side, colour);
        }
    }
}

/// Enlarges `k x k` numbers to `side x side` by bicubic interpolation (Keys 1981, a = -0.75), with aligned corners.
fn enlarge(values: &[f64], k: usize, side: usize) -> Vec<f64> {
    let taps: Vec<[(usize, f64); 4]> = (0..side)
        .map(|i| {
            let at = i as f64 * (k - 1) as f64 / (side.max(2) - 1) as f64;
            let first = at.floor();
            let t = at - first;
            let place = |step: i64| (first as i64 + step).clamp(0, k as i64 - 1) as usize;
            [
                (place(-1), far(t + 1.0)),
                (place(0), near(t)),
                (place(1), near(1.0 - t)),
                (place(2), far(2.0 - t)),
            ]
        })
        .collect();
    let mut out = Vec::with_capacity(side * side);
    for rows in &taps {
        for columns in &taps {
            let sum = |row: usize| -> f64 {
                columns.iter().map(|&(column, weight)| weight * values[row * k + column]).sum()
            };
            out.push(rows.iter().map(|&(row, weight)| weight * sum(row)).sum());
        }
    }
    out
}

const A: f64 = -0.75;

/// Weight of a neighbour at a distance of up to 1.
fn near(t: f64) -> f64 {
    ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0
}

/// Weight of a neighbour at a distance of 1 to 2.
fn far(t: f64) -> f64 {
    ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Rgb8 {
        Rgb8::from_fn(8, 8, |x, y| [20 * x as u8, 20 * y as u8, 7])
    }

    #[test]
    fn an_even_field_moves_all_pixels_alike() {
        let spec = WaNetSpec { k: 2, strength: 8.0 / 3.5, ..WaNetSpec::default() };
        // Divided by its mean size, the field is 1 everywhere: strength / side = 1 / 3.5 of the grid is one pixel, right and down.
        let warp = Warp::new(&spec, &[0.4; 8], 8);
        let mut image = ramp();
        warp.apply(&mut image);
        assert_eq!([image.pixel(0, 0), image.pixel(5, 2)], [[20, 20, 7], [120, 60, 7]]);
        assert_eq!(image.pixel(7, 7), [140, 140, 7], "the edge is repeated");
    }

    #[test]
    fn enlarging_keeps_corners_and_constants() {
        let field = [0.5, -1.0, 0.25, 2.0];
        let large = enlarge(&field, 2, 5);
        let corners = [0, 4, 20, 24].map(|i| large[i]);
        assert!(corners.iter().zip(field).all(|(a, b)| (a - b).abs() < 1e-12), "{corners:?}");
        assert!(enlarge(&[0.3; 9], 3, 7).iter().all(|value| (value - 0.3).abs() < 1e-12));
    }

    #[test]
    fn covers_are_warped_otherwise_and_repeatably() {
        let spec = WaNetSpec::default();
        let warp = Warp::new(&spec, &spec.field(), 8);
        let noisy = |image: &Rgb8| {
            let mut image = image.clone();
            warp.apply_noisy(1, &mut image);
            image
        };
        let mut plain = ramp();
        warp.apply(&mut plain);
        assert_ne!(noisy(&ramp()), plain);
        assert_eq!(noisy(&ramp()), noisy(&ramp()));
    }
}
