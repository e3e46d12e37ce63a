//! Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment: from error visibility to structural
//! similarity"): a Gaussian window of 11 x 11 pixels with a deviation of 1.5, K1 = 0.01, K2 = 0.03.

use crate::image::Rgb8;

/// Side of the Gaussian window, and its deviation, in pixels.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Constants of the measure for intensities of 0 to 1: K1 and K2, squared.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// What windows see at the edges of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edges {
    /// Beyond the edges, the outermost pixels are repeated: there is a window around every pixel.
    Repeated,
    /// All windows are within the image, as in the paper: there are ten fewer along each side.
    Within,
}

impl Edges {
    /// Windows along a side.
    fn windows(self, length: usize) -> usize {
        match self {
            Self::Repeated => length,
            Self::Within => (length + 1).saturating_sub(WINDOW),
        }
    }

    /// The pixel under weight `i` of window `at`.
    fn pixel(self, at: usize, i: usize, length: usize) -> usize {
        match self {
            Self::Repeated => (at + i).saturating_sub(WINDOW / 2).min(length - 1),
            Self::Within => at + i,
        }
    }
}

/// The similarity map of two channels of `width` x `height` intensities in 0–1: one number in -1 to 1 for each window, 1 where they are equal.
/// Panics when the sizes differ.
pub fn ssim_map(a: &[f64], b: &[f64], width: usize, height: usize, edges: Edges) -> Vec<f64> {
    assert!(a.len() == width * height && b.len() == a.len(), "two channels of one size");
    let blurred = |channel: &[f64]| blurred(channel, width, height, edges);
    let products = |x: &[f64], y: &[f64]| -> Vec<f64> {
        let both = x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<_>>();
        blurred(&both)
    };
    let (mean_a, mean_b) = (blurred(a), blurred(b));
    let (aa, bb, ab) = (products(a, a), products(b, b), products(a, b));
    (0..mean_a.len())
        .map(|i| {
            let (p, q) = (mean_a[i], mean_b[i]);
            let (of_a, of_b, of_both) = (aa[i] - p * p, bb[i] - q * q, ab[i] - p * q);
            (2.0 * p * q + C1) * (2.0 * of_both + C2) / ((p * p + q * q + C1) * (of_a + of_b + C2))
        })
        .collect()
}

/// The channel under the Gaussian window, along rows and then along columns.
fn blurred(channel: &[f64], width: usize, height: usize, edges: Edges) -> Vec<f64> {
    let half = WINDOW / 2;
    let raw: Vec<f64> = (0..WINDOW)
        .map(|i| (-(i as f64 - half as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp())
        .collect();
    let whole: f64 = raw.iter().sum();
    let weights: Vec<f64> = raw.iter().map(|weight| weight / whole).collect();
    let along = |at: usize, length: usize, value: &dyn Fn(usize) -> f64| -> f64 {
        let weighted = |(i, weight): (usize, &f64)| weight * value(edges.pixel(at, i, length));
        weights.iter().enumerate().map(weighted).sum()
    };
    let (columns, rows) = (edges.windows(width), edges.windows(height));
    let lines: Vec<f64> = (0..height * columns)
        .map(|i| along(i % columns, width, &|x| channel[i / columns * width + x]))
        .collect();
    (0..rows * columns)
        .map(|i| along(i / columns, height, &|y| lines[y * columns + i % columns]))
        .collect()
}

/// Mean structural similarity of two images over all windows within them, and over the colour channels; `None` for images smaller than
/// the window of 11 pixels. Panics when the sizes differ.
pub fn ssim(a: &Rgb8, b: &Rgb8) -> Option<f64> {
    let (width, height) = (a.width(), a.height());
    assert_eq!((width, height), (b.width(), b.height()), "SSIM of images of different sizes");
    if width < WINDOW || height < WINDOW {
        return None;
    }
    let channel = |image: &Rgb8, channel: usize| -> Vec<f64> {
        image.data().chunks_exact(3).map(|pixel| f64::from(pixel[channel]) / 255.0).collect()
    };
    let of_channel = |c: usize| {
        let map = ssim_map(&channel(a, c), &channel(b, c), width, height, Edges::Within);
        map.iter().sum::<f64>() / map.len() as f64
    };
    Some((0..3).map(of_channel).sum::<f64>() / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Rgb8 {
        Rgb8::from_fn(24, 17, |x, y| {
            [(x * 9 + y * 3) as u8, (x * y) as u8, (x * x / 3 + y * 7) as u8]
        })
    }

    /// As [`picture`], with a white square of 4 pixels.
    fn patched() -> Rgb8 {
        let mut image = picture();
        for (x, y) in (0..16).map(|i| (18 + i % 4, 11 + i / 4)) {
            image.set_pixel(x, y, [255; 3]);
        }
        image
    }

    /// As [`picture`], every second column lighter by 20.
    fn striped() -> Rgb8 {
        let image = picture();
        Rgb8::from_fn(24, 17, |x, y| {
            image.pixel(x, y).map(|value| value.saturating_add(20 * (x % 2) as u8))
        })
    }

    #[test]
    fn similarities_as_scikit_image_gives_them() {
        // scikit-image 0.26.0: structural_similarity(a, b, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5,
        // use_sample_covariance=False).
        for (image, known) in
            [(patched(), 0.974_178_580_767_513_1), (striped(), 0.847_981_535_157_500_1)]
        {
            let got = ssim(&picture(), &image).expect("large enough");
            assert!((got - known).abs() < 1e-9, "{got} instead of {known}");
        }
    }

    #[test]
    fn noise_to_signal_as_scikit_image_gives_it() {
        // scikit-image 0.26.0: peak_signal_noise_ratio(a, b, data_range=255).
        for (image, known) in
            [(patched(), 23.556_586_083_722_916), (striped(), 25.219_680_838_775_353)]
        {
            let got = crate::image::psnr(&picture(), &image);
            assert!((got - known).abs() < 1e-9, "{got} instead of {known}");
        }
    }

    #[test]
    fn equal_images_are_similar_and_small_ones_have_no_window() {
        let same = ssim(&picture(), &picture()).expect("large enough");
        assert!((same - 1.0).abs() < 1e-12);
        let small = Rgb8::filled(10, 30, [0; 3]);
        assert_eq!(ssim(&small, &small), None);
        let least = Rgb8::filled(11, 11, [7; 3]);
        assert_eq!(ssim(&least, &least), Some(1.0));
    }

    #[test]
    fn even_images_differ_by_their_light_alone() {
        // Without variance, (2 p q + C1) / (p p + q q + C1): for 0.2 and 0.6, 0.2401 / 0.4001.
        let [dark, light] = [51, 153].map(|value| Rgb8::filled(12, 12, [value; 3]));
        let got = ssim(&dark, &light).expect("large enough");
        assert!((got - 0.2401 / 0.4001).abs() < 1e-9, "{got}");
    }
}
