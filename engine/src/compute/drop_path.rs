//! Stochastic depth (Huang et al. 2016): a branch of a block is skipped for some images of a batch, and scaled up for the others.

use rand_chacha::ChaCha8Rng;
use shared::stream::uniform;

/// Share of the images that skip block `i` of `depth`: rises linearly from 0 at the first block to `rate` at the last.
pub fn drop_rate(rate: f64, i: usize, depth: usize) -> f64 {
    if depth < 2 { 0.0 } else { rate * i as f64 / (depth - 1) as f64 }
}

/// The factor of a branch for one image: 0 with probability `rate`, else `1 / (1 - rate)`, so that its mean is 1.
pub fn drop_factor(rate: f64, rng: &mut ChaCha8Rng) -> f32 {
    let kept = 1.0 - rate;
    if f64::from(uniform(rng)) < kept { (1.0 / kept) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use shared::stream::{Purpose, stream};

    use super::*;

    #[test]
    fn rates_rise_evenly_and_keep_the_mean() {
        let rates: Vec<f64> = (0..5).map(|i| drop_rate(0.2, i, 5)).collect();
        for (got, want) in rates.iter().zip([0.0, 0.05, 0.1, 0.15, 0.2]) {
            assert!((got - want).abs() < 1e-12, "{rates:?}");
        }
        assert!(drop_rate(0.2, 0, 1).abs() < 1e-12);
        let mut rng = stream(1, Purpose::DropPath, 0, 0);
        let factors: Vec<f32> = (0..20_000).map(|_| drop_factor(0.2, &mut rng)).collect();
        assert!(factors.iter().all(|f| f.abs() < 1e-6 || (f - 1.25).abs() < 1e-6));
        let mean = factors.iter().sum::<f32>() / factors.len() as f32;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
    }
}
