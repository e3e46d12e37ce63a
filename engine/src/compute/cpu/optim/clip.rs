//! Gradient clipping (Pascanu et al. 2013).

/// Scales the gradients down so that their norm over all tensors is at most `most`, like torch's `clip_grad_norm_`. Returns the
/// original norm.
pub fn clip_norm(gradients: &mut [f32], most: f64) -> f64 {
    let norm = gradients.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let factor = most / (norm + 1e-6);
    if factor < 1.0 {
        for value in gradients.iter_mut() {
            *value *= factor as f32;
        }
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these numbers are exact")]
    fn a_long_gradient_gets_the_norm_and_a_short_one_stays() {
        let mut long = [3.0, 0.0, 4.0];
        assert!((clip_norm(&mut long, 1.0) - 5.0).abs() < 1e-9);
        for (got, want) in long.iter().zip([0.6, 0.0, 0.8]) {
            assert!((got - want).abs() < 1e-6, "{long:?}");
        }
        let mut short = [0.3, 0.4];
        clip_norm(&mut short, 1.0);
        assert_eq!(short, [0.3, 0.4]);
    }
}
