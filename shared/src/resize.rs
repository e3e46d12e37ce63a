//! Resize with an antialiasing filter, in integer arithmetic.
//!
//! The method of Pillow's `Image.resize`: when shrinking, the filter widens with the scale; weights are fixed-point numbers
//! with 22 fractional bits; rows first, then columns, rounded to 8 bits after each pass. Pixels are not summed in floating
//! point, so the result equals Pillow's, natively and in the browser.
#![expect(clippy::inline_always, reason = "compiled for the instruction set of the caller")]

use crate::image::Rgb8;

const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Filter of a resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Triangle filter.
    Bilinear,
    /// Cubic filter with a = -0.5 (Catmull-Rom), as in Pillow.
    Bicubic,
}

impl Filter {
    /// Its radius, in pixels of the smaller image.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    /// Its weight at a distance (Keys 1981 for the cubic one).
    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// Weights of the source pixels that contribute to one target pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first of these pixels.
    pub first: usize,
    /// Weights with 22 fractional bits, of this pixel and those behind it.
    pub weights: Vec<i32>,
}

/// Resizes the whole image to `width` x `height`, ignoring the aspect ratio. Panics when either is 0.
pub fn resize(image: &Rgb8, width: usize, height: usize, filter: Filter) -> Rgb8 {
    resize_inlined(image, width, height, filter)
}

/// [`resize`], to be compiled for the instruction set of the function that calls it.
#[inline(always)]
pub fn resize_inlined(image: &Rgb8, width: usize, height: usize, filter: Filter) -> Rgb8 {
    assert!(width > 0 && height > 0, "an image has at least one pixel");
    let narrowed;
    let image = if width == image.width() {
        image
    } else {
        narrowed = resize_rows(image, &windows(image.width(), width, filter));
        &narrowed
    };
    if height == image.height() {
        image.clone()
    } else {
        resize_columns(image, &windows(image.height(), height, filter))
    }
}

/// [`resize`] with the triangle filter.
pub fn bilinear(image: &Rgb8, width: usize, height: usize) -> Rgb8 {
    resize(image, width, height, Filter::Bilinear)
}

/// The weights of each target pixel of a row or column of `source` pixels that is resized to `target`.
pub fn windows(source: usize, target: usize, filter: Filter) -> Vec<Window> {
    let scale = source as f64 / target as f64;
    let filter_scale = scale.max(1.0);
    let support = filter.support() * filter_scale;
    (0..target)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale;
            let first = ((center - support + 0.5) as isize).max(0) as usize;
            let last = ((center + support + 0.5) as usize).min(source);
            let weights: Vec<f64> = (first..last)
                .map(|x| filter.weight((x as f64 - center + 0.5) / filter_scale))
                .collect();
            let sum: f64 = weights.iter().sum();
            let one = f64::from(1u32 << PRECISION_BITS);
            let fixed = |weight: f64| {
                let exact = weight / sum * one;
                (exact + 0.5f64.copysign(exact)) as i32
            };
            Window { first, weights: weights.into_iter().map(fixed).collect() }
        })
        .collect()
}

#[inline]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Number of values per inner loop, which the compiler vectorises.
const LANES: usize = 16;
const HALF: i32 = 1 << (PRECISION_BITS - 1);
/// Number of rows transposed at a time, so that writes are contiguous.
const TURNED_ROWS: usize = 16;

/// Resizes along rows, which are the columns of the transposed image.
#[inline(always)]
fn resize_rows(image: &Rgb8, windows: &[Window]) -> Rgb8 {
    turned(&resize_columns(&turned(image), windows))
}

/// Transposes: columns become rows.
#[inline(always)]
fn turned(image: &Rgb8) -> Rgb8 {
    let (width, height) = (image.width(), image.height());
    let mut data = vec![0; image.data().len()];
    for (block, rows) in image.data().chunks(TURNED_ROWS * width * 3).enumerate() {
        for (x, column) in data.chunks_exact_mut(height * 3).enumerate() {
            let pixels = &mut column.as_chunks_mut::<3>().0[block * TURNED_ROWS..];
            for (pixel, row) in pixels.iter_mut().zip(rows.chunks_exact(width * 3)) {
                *pixel = row.as_chunks::<3>().0[x];
            }
        }
    }
    Rgb8::from_raw(height, width, data).expect("as many pixels")
}

#[inline(always)]
fn resize_columns(image: &Rgb8, windows: &[Window]) -> Rgb8 {
    let stride = image.width() * 3;
    let mut out = vec![0u8; stride];
    let mut data = Vec::with_capacity(stride * windows.len());
    for window in windows {
        let rows = image.data()[window.first * stride..].chunks_exact(stride);
        let rows = rows.zip(&window.weights);
        let (blocks, rest) = out.as_chunks_mut::<LANES>();
        for (block, out) in blocks.iter_mut().enumerate() {
            let mut sums = [HALF; LANES];
            for (row, &weight) in rows.clone() {
                let values = &row[block * LANES..][..LANES];
                sums.iter_mut()
                    .zip(values)
                    .for_each(|(sum, &value)| *sum += i32::from(value) * weight);
            }
            *out = sums.map(clip);
        }
        let first = stride - rest.len();
        for (i, out) in rest.iter_mut().enumerate() {
            let terms = rows.clone().map(|(row, weight)| i32::from(row[first + i]) * weight);
            *out = clip(HALF + terms.sum::<i32>());
        }
        data.extend_from_slice(&out);
    }
    Rgb8::from_raw(image.width(), windows.len(), data).expect("three bytes for each target pixel")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_size_is_the_image() {
        let image = Rgb8::from_fn(7, 5, |x, y| [(x * 31) as u8, (y * 50) as u8, (x * y) as u8]);
        assert_eq!(bilinear(&image, 7, 5), image);
    }

    #[test]
    fn halving_averages_with_a_triangle() {
        // Four pixels to two: weights (3, 3, 1) / 7 at the left edge, as Pillow gives.
        let image =
            Rgb8::from_raw(4, 1, vec![0, 0, 0, 100, 100, 100, 200, 200, 200, 255, 255, 255])
                .expect("size");
        let small = bilinear(&image, 2, 1);
        assert_eq!(small.pixel(0, 0)[0], 71); // (0*3 + 100*3 + 200) / 7 = 71.4
        assert_eq!(small.pixel(1, 0)[0], 209); // (100 + 200*3 + 255*3) / 7 = 209.3
    }

    #[test]
    fn doubling_with_a_cubic() {
        // Targets lie 0.25 off the sources: weights (-9, 111, 29, -3) / 128, cut and scaled to 1 at the edge.
        let image =
            Rgb8::from_raw(4, 1, [0u8, 64, 192, 255].iter().flat_map(|&v| [v; 3]).collect())
                .expect("size");
        let large = resize(&image, 8, 1, Filter::Bicubic);
        // (0 * 111 + 64 * 29 - 192 * 3) / 137 = 9.3
        assert_eq!(large.pixel(1, 0)[0], 9);
        // (-9 * 0 + 111 * 64 + 29 * 192 - 3 * 255) / 128 = 93.0
        assert_eq!(large.pixel(3, 0)[0], 93);
    }

    #[test]
    fn a_flat_image_stays_flat() {
        let image = Rgb8::filled(13, 9, [17, 201, 255]);
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let resized = resize(&image, 32, 4, filter);
            assert_eq!(resized, Rgb8::filled(32, 4, [17, 201, 255]));
        }
    }

    /// The definition, number by number.
    fn plain(image: &Rgb8, width: usize, height: usize, filter: Filter) -> Rgb8 {
        let across = windows(image.width(), width, filter);
        let down = windows(image.height(), height, filter);
        let weighted = |window: &Window, pixel: &dyn Fn(usize) -> [u8; 3]| -> [u8; 3] {
            std::array::from_fn(|channel| {
                let terms = window.weights.iter().zip(window.first..);
                let sum: i32 =
                    terms.map(|(&weight, at)| weight * i32::from(pixel(at)[channel])).sum();
                clip(HALF + sum)
            })
        };
        let narrow = Rgb8::from_fn(width, image.height(), |x, y| {
            weighted(&across[x], &|at| image.pixel(at, y))
        });
        Rgb8::from_fn(width, height, |x, y| weighted(&down[y], &|at| narrow.pixel(x, at)))
    }

    #[test]
    fn it_agrees_with_the_definition() {
        for (width, height) in [(37, 35), (16, 48), (5, 70), (1, 3)] {
            let image = Rgb8::from_fn(width, height, |x, y| {
                [(x * 47 + y * 5) as u8, (y * 31) as u8, (x * y * 3 + 7) as u8]
            });
            for (w, h) in [(20, 19), (64, 50), (1, 90)] {
                for filter in [Filter::Bilinear, Filter::Bicubic] {
                    assert_eq!(
                        resize(&image, w, h, filter),
                        plain(&image, w, h, filter),
                        "{w} x {h} of {width} x {height}"
                    );
                }
            }
        }
    }
}
