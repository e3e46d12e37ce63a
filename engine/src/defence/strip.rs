//! STRIP (Gao et al. 2019, "STRIP: a defence against trojan attacks on deep neural networks"): a trigger keeps its class when other images
//! are laid over it, so the predictions vary little.

use shared::{
    Rgb8,
    metric::normal_quantile,
    stream::{Purpose, shuffle, stream},
};

use super::DefenceError;

/// Both images added, each pixel `image + weight * over`, rounded and cut off at 255. The published program adds with weight 1. Panics when
/// the sizes differ.
pub fn superimposed(image: &Rgb8, over: &Rgb8, weight: f64) -> Rgb8 {
    let size = (image.width(), image.height());
    assert_eq!(size, (over.width(), over.height()), "images of one size");
    let mut sum = image.clone();
    for (value, &other) in sum.data_mut().iter_mut().zip(over.data()) {
        *value = (f64::from(*value) + weight * f64::from(other)).round().clamp(0.0, 255.0) as u8;
    }
    sum
}

/// Which of `pool` clean images are laid over image `image`: `overlays` of them without repetition, or all if there are fewer.
pub fn overlays(pool: usize, overlays: usize, seed: u64, image: usize) -> Vec<usize> {
    let mut drawn: Vec<usize> = (0..pool).collect();
    shuffle(&mut stream(seed, Purpose::Superimposed, image as u64, 0), &mut drawn);
    drawn.truncate(overlays);
    drawn
}

/// The mean entropy in bits of predictions, given as rows of `classes` shares or votes, not negative, of which each row is divided by its
/// sum (the paper's equations 3 and 4). Low entropies are suspicious. `None` without a row, and when a row has no finite, positive sum.
pub fn entropy(votes: &[f32], classes: usize) -> Option<f64> {
    let rows = votes.chunks_exact(classes);
    let n = rows.len();
    let sum: Option<f64> = rows.map(entropy_of_one).sum();
    sum.filter(|_| n > 0).map(|sum| sum / n as f64)
}

fn entropy_of_one(votes: &[f32]) -> Option<f64> {
    let whole: f64 = votes.iter().map(|&vote| f64::from(vote)).sum();
    if !(whole.is_finite() && whole > 0.0) {
        return None;
    }
    let shares = votes.iter().map(|&vote| f64::from(vote) / whole).filter(|&share| share > 0.0);
    Some(-shares.map(|share| share * share.log2()).sum::<f64>())
}

/// The entropy below which an image is refused, so that a share `frr` of clean images is: the quantile of the normal distribution with the
/// mean and the deviation of the clean images' entropies (section 5.2).
///
/// # Errors
/// With fewer than two entropies.
pub fn bound(clean: &[f64], frr: f64) -> Result<f64, DefenceError> {
    if clean.len() < 2 {
        return Err(DefenceError::TooFew {
            method: "STRIP",
            of: "clean images",
            wanted: 2,
            got: clean.len(),
        });
    }
    let n = clean.len() as f64;
    let mean = clean.iter().sum::<f64>() / n;
    let variance = clean.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    Ok(normal_bound(mean, variance.sqrt(), frr))
}

fn normal_bound(mean: f64, deviation: f64, frr: f64) -> f64 {
    mean + deviation * normal_quantile(frr)
}

#[cfg(test)]
mod tests;
