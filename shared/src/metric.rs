//! CA, ASR and RA as counts, their intervals, and mean and deviation over seeds.

use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// A share as it was counted: `hits` of `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ratio {
    /// Images that count.
    pub hits: u32,
    /// All images.
    pub total: u32,
}

/// An interval of a share, in 0–1.
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

    /// The share in percent; `None` when nothing was counted.
    pub fn percent(self) -> Option<f64> {
        self.share().map(|share| share * 100.0)
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

/// CA, ASR and RA of a classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// Clean accuracy: correct among the clean validation images.
    pub ca: Ratio,
    /// Attack success rate: classified as the target among the triggered images whose true class is another.
    pub asr: Ratio,
    /// Robust accuracy: classified as their true class among the same images.
    pub ra: Ratio,
}

impl Metrics {
    /// Counts from true labels and predictions on the clean images and on the same images with the trigger.
    /// All three slices go image by image. Panics when their lengths differ.
    pub fn count(labels: &[u32], clean: &[u32], triggered: &[u32], target_class: u32) -> Self {
        assert!(
            labels.len() == clean.len() && labels.len() == triggered.len(),
            "one prediction for each image"
        );
        let total = labels.len() as u32;
        let correct =
            labels.iter().zip(clean).filter(|(label, guess)| label == guess).count() as u32;
        let attacked = || labels.iter().zip(triggered).filter(|&(&label, _)| label != target_class);
        let n_attacked = attacked().count() as u32;
        let fooled = attacked().filter(|&(_, &guess)| guess == target_class).count() as u32;
        let robust = attacked().filter(|(label, guess)| label == guess).count() as u32;
        Self {
            ca: Ratio { hits: correct, total },
            asr: Ratio { hits: fooled, total: n_attacked },
            ra: Ratio { hits: robust, total: n_attacked },
        }
    }
}

/// Mean and sample deviation of a number over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Spread {
    /// Number of values.
    pub n: u32,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); 0 for a single value.
    pub deviation: f64,
}

impl Spread {
    /// Mean and deviation; `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        Some(Self { n: values.len() as u32, mean, deviation })
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

    #[test]
    fn metrics_leave_the_target_class_out() {
        let labels = [0, 0, 1, 1, 2, 2];
        let clean = [0, 1, 1, 1, 2, 0];
        let triggered = [0, 0, 0, 1, 0, 1];
        let metrics = Metrics::count(&labels, &clean, &triggered, 0);
        assert_eq!(metrics.ca, Ratio { hits: 4, total: 6 });
        assert_eq!(metrics.asr, Ratio { hits: 2, total: 4 });
        assert_eq!(metrics.ra, Ratio { hits: 1, total: 4 });
    }

    #[test]
    fn only_target_images_leave_asr_uncounted() {
        let metrics = Metrics::count(&[3, 3], &[3, 3], &[3, 3], 3);
        assert_eq!(metrics.asr.share(), None);
    }

    #[test]
    fn spread_by_hand() {
        let spread = Spread::of(&[2.0, 4.0, 9.0]).expect("values");
        assert!((spread.mean - 5.0).abs() < 1e-12);
        assert!((spread.deviation - 13.0f64.sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[]), None);
    }
}
