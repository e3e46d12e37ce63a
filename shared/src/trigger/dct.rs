//! The orthonormal discrete cosine transform of type II.

use std::f64::consts::PI;

/// The wave of coefficient `bin` over `length` positions: the inverse transform of a single coefficient of 1.
pub(super) fn wave(bin: usize, length: usize) -> Vec<f64> {
    let n = length as f64;
    let scale = if bin == 0 { 1.0 / n } else { 2.0 / n };
    let scale = libm::sqrt(scale);
    (0..length)
        .map(|i| scale * libm::cos(PI * (2.0 * i as f64 + 1.0) * bin as f64 / (2.0 * n)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_orthonormal() {
        let waves: Vec<Vec<f64>> = (0..5).map(|bin| wave(bin, 5)).collect();
        for (i, a) in waves.iter().enumerate() {
            for (j, b) in waves.iter().enumerate() {
                let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12, "{i}, {j}");
            }
        }
    }
}
