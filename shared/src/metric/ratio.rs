//! A ratio of counts, and its confidence interval.

use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the normal distribution.
pub(super) const Z95: f64 = 1.959_963_984_540_054;

/// A ratio of counts: `hits` of `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ratio {
    /// Number of hits.
    pub hits: u32,
    /// Number of images.
    pub total: u32,
}

/// A confidence interval: in 0–1 for a share, in its unit for a mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Ratio {
    /// The share in 0–1; `None` when nothing was counted.
    pub fn share(self) -> Option<f64> {
        (self.total > 0).then(|| f64::from(self.hits) / f64::from(self.total))
    }

    /// The share in percent; `None` when nothing was counted. It multiplies first, so that 29 of 100 is 29 and not
    /// 28.999 999 999 999 996, which a filter for at least 29 would miss.
    pub fn percent(self) -> Option<f64> {
        (self.total > 0).then(|| f64::from(self.hits) * 100.0 / f64::from(self.total))
    }

    /// Wilson's score interval at 95 % (Wilson 1927); `None` when nothing was counted.
    pub fn wilson95(self) -> Option<Interval> {
        let p = self.share()?;
        let n = f64::from(self.total);
        let z2 = Z95 * Z95;
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        Some(Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_by_hand() {
        // 8 of 10: (0.4901, 0.9433), the textbook example.
        let interval = Ratio { hits: 8, total: 10 }.wilson95().expect("counted");
        assert!((interval.low - 0.490_16).abs() < 1e-4, "{interval:?}");
        assert!((interval.high - 0.943_32).abs() < 1e-4, "{interval:?}");
        let none = Ratio { hits: 0, total: 20 }.wilson95().expect("counted");
        assert!(none.low.abs() < 1e-12 && (none.high - 0.161_13).abs() < 1e-4, "{none:?}");
        assert_eq!(Ratio { hits: 0, total: 0 }.wilson95(), None);
    }
}
