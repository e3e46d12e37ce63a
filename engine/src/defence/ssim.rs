//! Structural similarity (Wang et al. 2004), pixel by pixel.

/// Side of the Gaussian window, and its deviation, in pixels.
const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
/// Constants of the measure for intensities of 0 to 1.
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The similarity map of two channels of `width` x `height` intensities in 0–1: one number in -1 to 1 for each pixel, 1 where they are equal.
/// Beyond the edges, the outermost pixels are repeated. Panics when the sizes differ.
pub fn ssim_map(a: &[f64], b: &[f64], width: usize, height: usize) -> Vec<f64> {
    assert!(a.len() == width * height && b.len() == a.len(), "two channels of one size");
    let products = |x: &[f64], y: &[f64]| -> Vec<f64> {
        let both = x.iter().zip(y).map(|(x, y)| x * y).collect::<Vec<_>>();
        blurred(&both, width, height)
    };
    let (mean_a, mean_b) = (blurred(a, width, height), blurred(b, width, height));
    let (aa, bb, ab) = (products(a, a), products(b, b), products(a, b));
    (0..a.len())
        .map(|i| {
            let (p, q) = (mean_a[i], mean_b[i]);
            let (of_a, of_b, of_both) = (aa[i] - p * p, bb[i] - q * q, ab[i] - p * q);
            (2.0 * p * q + C1) * (2.0 * of_both + C2) / ((p * p + q * q + C1) * (of_a + of_b + C2))
        })
        .collect()
}

/// The channel under the Gaussian window, along rows and then along columns.
fn blurred(channel: &[f64], width: usize, height: usize) -> Vec<f64> {
    let half = WINDOW / 2;
    let raw: Vec<f64> = (0..WINDOW)
        .map(|i| (-(i as f64 - half as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp())
        .collect();
    let whole: f64 = raw.iter().sum();
    let weights: Vec<f64> = raw.iter().map(|weight| weight / whole).collect();
    let along = |at: usize, length: usize, value: &dyn Fn(usize) -> f64| -> f64 {
        let place = |i: usize| (at + i).saturating_sub(half).min(length - 1);
        weights.iter().enumerate().map(|(i, weight)| weight * value(place(i))).sum()
    };
    let rows: Vec<f64> = (0..channel.len())
        .map(|i| along(i % width, width, &|x| channel[i / width * width + x]))
        .collect();
    (0..channel.len()).map(|i| along(i / width, height, &|y| rows[y * width + i % width])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::testing::Reference;

    #[test]
    fn a_map_as_scipy_gives_it() {
        let reference = Reference::read();
        let of = |key: &str| reference.numbers(&format!("/ssim_replicate_padding/{key}"));
        let (a, b, expected) = (of("a"), of("b"), of("map"));
        let side = a.len().isqrt();
        for (got, expected) in ssim_map(&a, &b, side, side).into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
        }
    }

    #[test]
    fn equal_channels_are_similar_everywhere() {
        let channel: Vec<f64> = (0..35).map(|i| f64::from(i % 9) / 9.0).collect();
        let map = ssim_map(&channel, &channel, 7, 5);
        assert!(map.iter().all(|value| (value - 1.0).abs() < 1e-12));
    }
}
