//! The limit of a score, from clean images.

use super::DefenceError;

/// The limit that at most a share `refused` of these clean images' scores exceeds. Scores above it are flagged.
///
/// # Errors
/// Without a score, and when one is not finite.
pub fn limit(method: &'static str, clean: &[f64], refused: f64) -> Result<f64, DefenceError> {
    if let Some(image) = clean.iter().position(|score| !score.is_finite()) {
        return Err(DefenceError::NotFinite { what: "scores", image });
    }
    let mut sorted = clean.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return Err(DefenceError::TooFew { method, of: "clean images", wanted: 1, got: 0 });
    };
    let beyond = ((refused * sorted.len() as f64).floor() as usize).min(last);
    Ok(sorted[last - beyond])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_by_hand() {
        let clean: Vec<f64> = (0..10).map(|i| f64::from((i * 7) % 10)).collect();
        let above = |refused: f64| {
            let limit = limit("", &clean, refused).unwrap();
            clean.iter().filter(|&&score| score > limit).count()
        };
        assert_eq!([0.0, 0.09, 0.1, 0.35, 1.0].map(above), [0, 0, 1, 3, 9]);
        assert!(limit("", &[], 0.1).is_err() && limit("", &[f64::NAN], 0.1).is_err());
    }
}
