//! Bilinear resize with an antialiasing triangle filter, in whole numbers.
//!
//! The method of Pillow's `Image.resize(..., BILINEAR)`: when shrinking, the filter widens with the scale; weights are
//! fixed-point numbers with 22 bits after the point; rows first, then columns, rounded to 8 bits after each pass. No
//! floating-point sum touches a pixel, so the result is the same natively and in the browser.

use crate::image::Rgb8;

const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Weights of the source pixels that make one target pixel.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// Resizes the whole image to `width` x `height`, ignoring the aspect ratio. Panics when either is 0.
pub fn bilinear(image: &Rgb8, width: usize, height: usize) -> Rgb8 {
    assert!(width > 0 && height > 0, "an image has at least one pixel");
    let horizontal = if width == image.width() { image.clone() } else { resize_rows(image, width) };
    if height == image.height() { horizontal } else { resize_columns(&horizontal, height) }
}

fn windows(source: usize, target: usize) -> Vec<Window> {
    let scale = source as f64 / target as f64;
    let filter_scale = scale.max(1.0);
    let support = filter_scale; // the triangle filter reaches 1 pixel, widened by the scale
    (0..target)
        .map(|i| {
            let center = (i as f64 + 0.5) * scale;
            let first = ((center - support + 0.5) as isize).max(0) as usize;
            let last = ((center + support + 0.5) as usize).min(source);
            let weights: Vec<f64> = (first..last)
                .map(|x| (1.0 - ((x as f64 - center + 0.5) / filter_scale).abs()).max(0.0))
                .collect();
            let sum: f64 = weights.iter().sum();
            let one = f64::from(1u32 << PRECISION_BITS);
            let weights = weights.iter().map(|w| (0.5 + w / sum * one) as i32).collect();
            Window { first, weights }
        })
        .collect()
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn resize_rows(image: &Rgb8, width: usize) -> Rgb8 {
    let windows = windows(image.width(), width);
    let mut data = Vec::with_capacity(width * image.height() * 3);
    for row in image.data().chunks_exact(image.width() * 3) {
        for window in &windows {
            let mut sums = [1i32 << (PRECISION_BITS - 1); 3];
            for (weight, pixel) in
                window.weights.iter().zip(row[window.first * 3..].chunks_exact(3))
            {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            data.extend(sums.map(clip));
        }
    }
    Rgb8::from_raw(width, image.height(), data).expect("three bytes for each target pixel")
}

fn resize_columns(image: &Rgb8, height: usize) -> Rgb8 {
    let stride = image.width() * 3;
    let mut data = Vec::with_capacity(stride * height);
    for window in windows(image.height(), height) {
        let mut sums = vec![1i32 << (PRECISION_BITS - 1); stride];
        for (weight, row) in
            window.weights.iter().zip(image.data()[window.first * stride..].chunks_exact(stride))
        {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        data.extend(sums.into_iter().map(clip));
    }
    Rgb8::from_raw(image.width(), height, data).expect("three bytes for each target pixel")
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
    fn a_flat_image_stays_flat() {
        let image = Rgb8::filled(13, 9, [17, 201, 255]);
        assert_eq!(bilinear(&image, 32, 4), Rgb8::filled(32, 4, [17, 201, 255]));
    }
}
