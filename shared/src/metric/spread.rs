//! Mean and deviation over seeds.

use serde::{Deserialize, Serialize};

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
    fn spread_by_hand() {
        let spread = Spread::of(&[2.0, 4.0, 9.0]).expect("values");
        assert!((spread.mean - 5.0).abs() < 1e-12);
        assert!((spread.deviation - 13.0f64.sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[]), None);
    }
}
