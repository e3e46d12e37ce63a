//! STRIP (Gao et al. 2019, "STRIP: a defence against trojan attacks on deep neural networks"): a trigger keeps its class when other images
//! are laid over it, so the predictions vary little.

use shared::{
    Rgb8,
    metric::normal_quantile,
    stream::{Purpose, shuffle, stream},
};

use super::DefenceError;

/// Both images added, each pixel `image + weight * over`, rounded and cut off at 255. The published program adds with weight 1. Panics when
/// the sizes differ.
pub fn superimposed(image: &Rgb8, over: &Rgb8, weight: f64) -> Rgb8 {
    let size = (image.width(), image.height());
    assert_eq!(size, (over.width(), over.height()), "images of one size");
    let mut sum = image.clone();
    for (value, &other) in sum.data_mut().iter_mut().zip(over.data()) {
        *value = (f64::from(*value) + weight * f64::from(other)).round().clamp(0.0, 255.0) as u8;
    }
    sum
}

/// Which of `pool` clean images are laid over image `image`: `overlays` of them without repetition, or all if there are fewer.
pub fn overlays(pool: usize, overlays: usize, seed: u64, image: usize) -> Vec<usize> {
    let mut drawn: Vec<usize> = (0..pool).collect();
    shuffle(&mut stream(seed, Purpose::Superimposed, image as u64, 0), &mut drawn);
    drawn.truncate(overlays);
    drawn
}

/// The mean entropy in bits of predictions, given as rows of `classes` shares or votes, not negative, of which each row is divided by its
/// sum (the paper's equations 3 and 4). Low entropies are suspicious. `None` without a row, and when a row has no finite, positive sum.
pub fn entropy(votes: &[f32], classes: usize) -> Option<f64> {
    let rows = votes.chunks_exact(classes);
    let n = rows.len();
    let sum: Option<f64> = rows.map(entropy_of_one).sum();
    sum.filter(|_| n > 0).map(|sum| sum / n as f64)
}

fn entropy_of_one(votes: &[f32]) -> Option<f64> {
    let whole: f64 = votes.iter().map(|&vote| f64::from(vote)).sum();
    if !(whole.is_finite() && whole > 0.0) {
        return None;
    }
    let shares = votes.iter().map(|&vote| f64::from(vote) / whole).filter(|&share| share > 0.0);
    Some(-shares.map(|share| share * share.log2()).sum::<f64>())
}

/// The entropy below which an image is refused, so that a share `frr` of clean images is: the quantile of the normal distribution with the
/// mean and the deviation of the clean images' entropies (section 5.2).
///
/// # Errors
/// With fewer than two entropies.
pub fn bound(clean: &[f64], frr: f64) -> Result<f64, DefenceError> {
    if clean.len() < 2 {
        return Err(DefenceError::TooFew {
            method: "STRIP",
            of: "clean images",
            wanted: 2,
            got: clean.len(),
        });
    }
    let n = clean.len() as f64;
    let mean = clean.iter().sum::<f64>() / n;
    let variance = clean.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    Ok(normal_bound(mean, variance.sqrt(), frr))
}

fn normal_bound(mean: f64, deviation: f64, frr: f64) -> f64 {
    mean + deviation * normal_quantile(frr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::testing::{Reference, assert_near};

    #[test]
    fn bounds_as_published() {
        let reference = Reference::read();
        let table = reference.value("/strip_published").as_array().unwrap();
        assert_eq!(table.len(), 12);
        for line in table {
            let number = |key: &str| line[key].as_f64().unwrap();
            let bound = normal_bound(number("mean"), number("sd"), number("frr"));
            assert_near(bound, number("bound"), 1e-12);
            assert!((bound - number("published")).abs() < 0.015, "{line}");
        }
    }

    #[test]
    fn entropies_by_hand() {
        let close = |votes: &[f32], classes, expected: f64| {
            let got = entropy(votes, classes).unwrap();
            assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
        };
        close(&[0.5; 8], 8, 3.0);
        close(&[0.0, 200.0], 2, 0.0);
        // Shares of 1/4 and 3/4, and of 1/2 and 1/2.
        close(&[1.0, 3.0, 5.0, 5.0], 2, f64::midpoint(0.811_278_124_459_133, 1.0));
        assert_eq!(entropy(&[1.0, f32::NAN], 2), None);
        assert_eq!(entropy(&[1.0, 1.0, 0.0, 0.0], 2), None);
        assert_eq!(entropy(&[], 2), None);
    }

    #[test]
    fn sums_are_rounded_and_cut_off() {
        let (a, b) = (Rgb8::filled(1, 1, [10, 200, 3]), Rgb8::filled(1, 1, [20, 100, 5]));
        assert_eq!(superimposed(&a, &b, 1.0).data(), [30, 255, 8]);
        assert_eq!(superimposed(&a, &b, 0.5).data(), [20, 250, 6]);
    }

    #[test]
    fn a_deviation_is_that_of_the_fitted_normal() {
        // Mean 2, deviation sqrt(2 / 3) by maximum likelihood.
        let bound = bound(&[1.0, 2.0, 3.0], 0.5).unwrap();
        assert!((bound - 2.0).abs() < 1e-12);
        assert!(super::bound(&[1.0], 0.5).is_err());
    }

    #[test]
    fn overlays_are_distinct_and_those_of_the_image() {
        let mut drawn = overlays(50, 20, 3, 7);
        assert_eq!(drawn, overlays(50, 20, 3, 7));
        assert_ne!(drawn, overlays(50, 20, 3, 8));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 20);
        assert_eq!(overlays(3, 20, 3, 7).len(), 3);
    }
}
