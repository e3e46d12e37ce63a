//! Quantiles of the normal distribution.

use std::f64::consts::{SQRT_2, TAU};

/// The quantile of the standard normal distribution at `p`, above 0 and below 1: what a share `p` of its numbers lies below.
/// Starts from Abramowitz and Stegun 1964, 26.2.23, and follows Halley's steps on the distribution function.
pub fn normal_quantile(p: f64) -> f64 {
    assert!(0.0 < p && p < 1.0, "a share above 0 and below 1, not {p}");
    let t = (-2.0 * p.min(1.0 - p).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut z = if p < 0.5 { above / below - t } else { t - above / below };
    for _ in 0..3 {
        let density = (-0.5 * z * z).exp() / TAU.sqrt();
        let step = (0.5 * libm::erfc(-z / SQRT_2) - p) / density;
        z -= step / (1.0 + 0.5 * z * step);
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_as_scipy_gives_them() {
        // scipy 1.17.1, scipy.stats.norm.ppf.
        let known = [
            (0.001, -3.090_232_306_167_813),
            (0.005, -2.575_829_303_548_901),
            (0.02, -2.053_748_910_631_823),
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
        ];
        for (p, z) in known {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}: {}", normal_quantile(p));
        }
    }
}
