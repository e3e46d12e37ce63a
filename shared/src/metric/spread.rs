//! Mean and deviation over seeds, and the confidence interval of the mean.

use serde::{Deserialize, Serialize};

use super::{Interval, ratio::Z95};

/// Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom.
const T95: [f64; 10] = [
    12.706_204_736,
    4.302_652_730,
    3.182_446_305,
    2.776_445_105,
    2.570_581_836,
    2.446_911_851,
    2.364_624_252,
    2.306_004_135,
    2.262_157_163,
    2.228_138_852,
];

/// Mean and sample deviation of a quantity over several runs.
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

    /// The 95 % interval of the mean by Student's t with n - 1 degrees of freedom; `None` for a single value, which gives
    /// no estimate of the deviation. The interval of a mean share can reach beyond 0 or 1.
    pub fn interval95(&self) -> Option<Interval> {
        let half = t95(self.n.checked_sub(1)?)? * self.deviation / f64::from(self.n).sqrt();
        Some(Interval { low: self.mean - half, high: self.mean + half })
    }
}

/// The 97.5 % quantile of Student's t; beyond the table by its expansion in the degrees of freedom (Abramowitz and Stegun 1964,
/// 26.7.5), accurate to 0.000 01 there. `None` for 0 degrees of freedom.
fn t95(freedom: u32) -> Option<f64> {
    if let Some(&t) = T95.get(freedom.checked_sub(1)? as usize) {
        return Some(t);
    }
    let z = Z95;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
    ];
    let n = f64::from(freedom);
    Some(z + terms[0] / n + terms[1] / n.powi(2) + terms[2] / n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_by_hand() {
        let spread = Spread::of(&[2.0, 4.0, 9.0]).expect("values");
        assert!((spread.mean - 5.0).abs() < 1e-12);
        assert!((spread.deviation - 13.0f64.sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn the_interval_of_a_mean_by_hand() {
        // t = 4.302653 for 2 degrees of freedom; 4.302653 * sqrt(13 / 3) = 8.956686.
        let interval = Spread::of(&[2.0, 4.0, 9.0]).and_then(|s| s.interval95()).expect("three");
        assert!((interval.low + 3.956_686).abs() < 1e-5, "{interval:?}");
        assert!((interval.high - 13.956_686).abs() < 1e-5, "{interval:?}");
        assert_eq!(Spread::of(&[2.0]).and_then(|spread| spread.interval95()), None);
        let same = Spread::of(&[3.0, 3.0]).and_then(|spread| spread.interval95()).expect("two");
        assert!((same.high - same.low).abs() < 1e-12);
    }

    #[test]
    fn quantiles_of_a_printed_table() {
        for (freedom, t) in
            [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (30, 2.042), (120, 1.980)]
        {
            assert!((t95(freedom).expect("freedom") - t).abs() < 5.1e-4, "{freedom}");
        }
        assert_eq!(t95(0), None);
    }
}
