//! Structural similarity (Wang et al. 2004), pixel by pixel.

use shared::ssim::{self, Edges};

/// The similarity map of two channels of `width` x `height` intensities in 0–1: one number in -1 to 1 for each pixel, 1 where they are equal.
/// Beyond the edges, the outermost pixels are repeated. Panics when the sizes differ.
pub fn ssim_map(a: &[f64], b: &[f64], width: usize, height: usize) -> Vec<f64> {
    ssim::ssim_map(a, b, width, height, Edges::Repeated)
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
