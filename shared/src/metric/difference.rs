//! How much two conditions differ, with an interval and a test.

use std::f64::consts::{FRAC_2_PI, SQRT_2};

use serde::{Deserialize, Serialize};

use super::{Interval, Ratio, Spread};

/// A deviation in percentage points that is nothing but rounding.
const ROUNDING: f64 = 1e-9;

/// How a difference was tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Student's t over the differences of runs with the same seed.
    PairedT,
    /// One run each, or runs that all differ by the same: both shares' images counted as independent. The interval is Newcombe's (1998, method 10), the test the two-sided z
    /// test of two proportions. The same images in both would make it sharper, so it errs on the side of no difference.
    TwoProportions,
    /// Two runs of one seed whose predictions by image are known: McNemar's exact test on the same images ([`Discordant`](super::Discordant)).
    #[serde(rename = "mcnemar")]
    McNemar,
}

/// The second condition less the first, in percentage points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Difference {
    /// Number of pairs.
    pub n: u32,
    /// Mean difference in percentage points.
    pub mean: f64,
    /// Its 95 % interval in percentage points.
    pub interval: Interval,
    /// The probability of a difference at least as large if there were none.
    pub p: f64,
    /// The test.
    pub test: Test,
}

impl Difference {
    /// Between shares of runs that are paired, by their seed for example: each pair is the first and the second condition's share. `None`
    /// without a pair, and if nothing was counted.
    pub fn of(pairs: &[(Ratio, Ratio)]) -> Option<Self> {
        match pairs {
            [] => None,
            [(a, b)] => Self::of_shares(*a, *b),
            _ => Self::of_pairs(pairs),
        }
    }

    /// The same difference as the largest of several: its p is multiplied by their number (Bonferroni), because among many differences
    /// one is large by chance.
    pub fn largest_of(self, comparisons: usize) -> Self {
        Self { p: (self.p * comparisons as f64).min(1.0), ..self }
    }

    /// `p < .001` or `p = .034`.
    pub fn probability(&self) -> String {
        if self.p < 0.001 {
            return "p < .001".into();
        }
        let text = format!("{:.3}", self.p);
        format!("p = {}", text.strip_prefix('0').unwrap_or(&text))
    }

    fn of_pairs(pairs: &[(Ratio, Ratio)]) -> Option<Self> {
        let each: Option<Vec<f64>> =
            pairs.iter().map(|(a, b)| Some(b.percent()? - a.percent()?)).collect();
        let spread = Spread::of(&each?)?;
        if spread.deviation < ROUNDING {
            // Equal differences give no estimate of how much they vary: t would be infinite. The images of all pairs together do.
            let sum = |of: fn(&(Ratio, Ratio)) -> Ratio| Ratio {
                hits: pairs.iter().map(|pair| of(pair).hits).sum(),
                total: pairs.iter().map(|pair| of(pair).total).sum(),
            };
            let all = Self::of_shares(sum(|pair| pair.0), sum(|pair| pair.1))?;
            return Some(Self { n: spread.n, ..all });
        }
        let interval = spread.interval95()?;
        let t = spread.mean / (spread.deviation / f64::from(spread.n).sqrt());
        let p = beyond_t(t, spread.n - 1);
        Some(Self { n: spread.n, mean: spread.mean, interval, p, test: Test::PairedT })
    }

    fn of_shares(a: Ratio, b: Ratio) -> Option<Self> {
        let (pa, pb) = (a.share()?, b.share()?);
        let (ia, ib) = (a.wilson95()?, b.wilson95()?);
        let d = pb - pa;
        let low = d - (pb - ib.low).hypot(ia.high - pa);
        let high = d + (ib.high - pb).hypot(pa - ia.low);
        let (na, nb) = (f64::from(a.total), f64::from(b.total));
        let pooled = (f64::from(a.hits) + f64::from(b.hits)) / (na + nb);
        let deviation = (pooled * (1.0 - pooled) * (1.0 / na + 1.0 / nb)).sqrt();
        let p = if deviation > 0.0 { libm::erfc((d / deviation).abs() / SQRT_2) } else { 1.0 };
        let interval = Interval { low: low * 100.0, high: high * 100.0 };
        Some(Self { n: 1, mean: d * 100.0, interval, p, test: Test::TwoProportions })
    }
}

/// The probability that Student's t with `freedom` degrees of freedom is at least `t` away from 0: Abramowitz and Stegun 1964, 26.7.3 and
/// 26.7.4.
fn beyond_t(t: f64, freedom: u32) -> f64 {
    let theta = (t.abs() / f64::from(freedom).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    let odd = freedom % 2 == 1;
    // The terms of the series: cos^k with the product of the ratios of even to odd numbers, or of odd to even ones, up to k.
    let (mut term, mut k) = if odd { (cos, 1) } else { (1.0, 0) };
    let mut sum = 0.0;
    while k + 2 <= freedom {
        sum += term;
        term *= cos * cos * f64::from(k + 1) / f64::from(k + 2);
        k += 2;
    }
    let within = if odd { FRAC_2_PI * (theta + sin * sum) } else { sin * sum };
    (1.0 - within).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(hits: u32, total: u32) -> Ratio {
        Ratio { hits, total }
    }

    #[test]
    fn tails_of_students_t() {
        // scipy.stats.t.sf(t, freedom) * 2
        for (t, freedom, expected) in [
            (1.0, 1, 0.5),
            (12.706_204_736, 1, 0.05),
            (4.302_652_730, 2, 0.05),
            (-3.182_446_305, 3, 0.05),
            (2.0, 4, 0.116_116_523_5),
            (2.570_581_836, 5, 0.05),
            (2.0, 9, 0.076_552_823_8),
            (0.0, 7, 1.0),
        ] {
            let is = beyond_t(t, freedom);
            assert!((is - expected).abs() < 1e-8, "t {t}, {freedom}: {is}");
        }
    }

    #[test]
    fn pairs_as_scipy_has_them() {
        // scipy.stats.ttest_rel([20, 30, 40], [12, 25, 29]): t = 4.618802, p = 0.043818; interval 0.547586 to 15.452414.
        let pairs = [(12, 20), (25, 30), (29, 40)].map(|(a, b)| (share(a, 100), share(b, 100)));
        let is = Difference::of(&pairs).expect("pairs");
        assert_eq!((is.n, is.test), (3, Test::PairedT));
        assert!((is.mean - 8.0).abs() < 1e-12);
        assert!((is.p - 0.043_818).abs() < 1e-5, "{is:?}");
        assert!((is.interval.low - 0.547_586).abs() < 1e-4, "{is:?}");
        assert!((is.interval.high - 15.452_414).abs() < 1e-4, "{is:?}");
    }

    #[test]
    fn two_shares_as_published() {
        // Newcombe 1998, table II, contrast (a): 56/70 less 48/80 is 0.2, method 10: 0.0524 to 0.3339.
        let is = Difference::of(&[(share(48, 80), share(56, 70))]).expect("shares");
        assert_eq!(is.test, Test::TwoProportions);
        assert!((is.mean - 20.0).abs() < 1e-9);
        assert!((is.interval.low - 5.24).abs() < 5e-3, "{is:?}");
        assert!((is.interval.high - 33.39).abs() < 5e-3, "{is:?}");
        // Pooled z = 0.2 / sqrt(104/150 * 46/150 * (1/70 + 1/80)) = 2.650 1.
        assert!((is.p - 0.008_047).abs() < 2e-5, "{is:?}");
    }

    #[test]
    fn equal_differences_are_no_proof() {
        // 2 of 10 and 3 of 10, twice: as 4 of 20 and 6 of 20.
        let equal = Difference::of(&[(share(2, 10), share(3, 10)); 2]).expect("pairs");
        let pooled = Difference::of(&[(share(4, 20), share(6, 20))]).expect("shares");
        assert_eq!((equal.n, equal.test), (2, Test::TwoProportions));
        assert!((equal.p - pooled.p).abs() < 1e-12 && equal.p > 0.4, "{equal:?}");
    }

    #[test]
    fn the_largest_of_several_is_less_of_a_surprise() {
        let one = Difference::of(&[(share(48, 80), share(56, 70))]).expect("shares");
        assert!((one.largest_of(4).p - 4.0 * one.p).abs() < 1e-12);
        assert!((one.largest_of(1000).p - 1.0).abs() < 1e-12);
        assert_eq!(one.probability(), "p = .008");
        assert_eq!(Difference { p: 0.0004, ..one }.probability(), "p < .001");
        assert_eq!(Difference { p: 1.0, ..one }.probability(), "p = 1.000");
    }

    #[test]
    fn nothing_differs_from_itself() {
        let one = (share(5, 10), share(5, 10));
        assert!((Difference::of(&[one]).expect("one").p - 1.0).abs() < 1e-12);
        assert!((Difference::of(&[one, one]).expect("two").p - 1.0).abs() < 1e-12);
        let none = (share(0, 10), share(0, 10));
        assert!((Difference::of(&[none]).expect("none").p - 1.0).abs() < 1e-12);
        assert_eq!(Difference::of(&[(share(0, 0), share(1, 2))]), None);
        assert_eq!(Difference::of(&[]), None);
    }
}
