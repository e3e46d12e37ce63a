//! Two classifiers on the same images: McNemar's exact test.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::{Difference, Interval, Test};

/// The normal quantile of a 95 % interval.
const Z95: f64 = 1.959_963_984_540_054;

/// Images by which two classifiers hit; those that both hit or both miss say nothing about a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Discordant {
    /// Images that only the first one hits.
    pub first: u32,
    /// Images that only the second one hits.
    pub second: u32,
    /// All images that were counted.
    pub total: u32,
}

impl Discordant {
    /// Counts pairs of hits, image by image.
    pub fn count(hits: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counted = Self::default();
        for (first, second) in hits {
            counted.total += 1;
            counted.first += u32::from(first && !second);
            counted.second += u32::from(second && !first);
        }
        counted
    }

    /// The second classifier's share of hits less the first one's. The test is McNemar's, exact (McNemar 1947: with no difference, the
    /// discordant images fall on either side like a coin), the interval Bonett and Price's (2012). `None` without images.
    pub fn difference(self) -> Option<Difference> {
        let Self { first, second, total } = self;
        if total == 0 {
            return None;
        }
        let n = f64::from(total);
        let (a, b) = ((f64::from(first) + 1.0) / (n + 2.0), (f64::from(second) + 1.0) / (n + 2.0));
        let (centre, half) = (b - a, Z95 * ((a + b - (b - a).powi(2)) / (n + 2.0)).sqrt());
        let percent = |share: f64| 100.0 * share.clamp(-1.0, 1.0);
        Some(Difference {
            n: 1,
            mean: 100.0 * (f64::from(second) - f64::from(first)) / n,
            interval: Interval { low: percent(centre - half), high: percent(centre + half) },
            p: coin(first.min(second), first + second),
            test: Test::McNemar,
        })
    }
}

/// The two-sided probability that `n` throws of a coin give `k` heads or fewer, or as few tails; `k` is at most half of `n`.
fn coin(k: u32, n: u32) -> f64 {
    let ln_factorial = |n: u32| libm::lgamma(f64::from(n) + 1.0);
    let ln_term = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k) - f64::from(n) * LN_2;
    let (mut term, mut sum) = (ln_term.exp(), 0.0);
    for heads in (0..=k).rev() {
        sum += term;
        // C(n, heads - 1) from C(n, heads).
        term *= f64::from(heads) / f64::from(n - heads + 1);
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (2.0 * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_as_scipy_has_them() {
        // scipy 1.17.1: binomtest(k, n, 0.5).pvalue, which statsmodels' mcnemar(exact=True) uses, too.
        for (k, n, expected) in [
            (0, 0, 1.0),
            (0, 1, 1.0),
            (3, 6, 1.0),
            (1, 8, 0.070_312_5),
            (5, 20, 0.041_389_465_332_031_25),
            (12, 40, 0.016_589_003_374_971_45),
            (100, 260, 2.389_419_030_681_395_3e-4),
            (480, 1100, 2.713_138_109_300_687_8e-5),
            (4900, 10000, 0.046_585_527_704_946_45),
            (24000, 50000, 3.857_469_951_030_655e-19),
        ] {
            let is = coin(k, n);
            assert!((is - expected).abs() <= 1e-9 * expected, "{k} of {n}: {is}");
        }
    }

    #[test]
    fn a_published_example() {
        // Fagerland, Lydersen and Laake 2014, airway hyper-responsiveness of 21 children: 7 and 1 discordant, exact p 0.0703, Bonett and
        // Price's interval of the first less the second -0.508 to -0.013.
        let is = Discordant { first: 1, second: 7, total: 21 }.difference().expect("images");
        assert_eq!((is.n, is.test), (1, Test::McNemar));
        assert!((is.p - 0.070_312_5).abs() < 1e-12, "{is:?}");
        assert!((is.mean - 600.0 / 21.0).abs() < 1e-12);
        assert!((is.interval.low - 1.3).abs() < 0.05 && (is.interval.high - 50.8).abs() < 0.05);
    }

    #[test]
    fn only_images_on_which_they_differ_count() {
        let hits = [(true, true), (true, false), (false, true), (true, false), (false, false)];
        let counted = Discordant::count(hits);
        assert_eq!(counted, Discordant { first: 2, second: 1, total: 5 });
        let swapped = Discordant::count(hits.map(|(a, b)| (b, a)));
        let (one, other) =
            (counted.difference().expect("images"), swapped.difference().expect("images"));
        assert!((one.p - other.p).abs() < 1e-12 && (one.mean + other.mean).abs() < 1e-12);
        let same = Discordant { first: 0, second: 0, total: 9 }.difference().expect("images");
        assert!((same.p - 1.0).abs() < 1e-12 && same.mean.abs() < 1e-12);
        assert!(same.interval.low < 0.0 && same.interval.high > 0.0);
        assert_eq!(Discordant::default().difference(), None);
    }
}
