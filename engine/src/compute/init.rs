//! Initial values of parameters, from seeded random streams.

use rand_chacha::ChaCha8Rng;
use shared::stream::uniform;

use super::positions::sin_cos_table;
use crate::{model::Init, random::normal};

/// Draws the initial numbers of a tensor of this shape from the stream.
pub fn draw(init: Init, shape: &[usize], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let n = shape.iter().product();
    match init {
        Init::Zero => vec![0.0; n],
        Init::One => vec![1.0; n],
        Init::Xavier { inputs, outputs } => {
            within((6.0 / (inputs + outputs) as f64).sqrt() as f32, n, rng)
        }
        Init::Uniform { inputs } => within((1.0 / inputs as f64).sqrt() as f32, n, rng),
        Init::Normal { deviation } => (0..n).map(|_| (deviation * normal(rng)) as f32).collect(),
        Init::SinCos { grid } => sin_cos_table(n / (1 + grid * grid), grid),
    }
}

/// `n` numbers, uniform from `-limit` to `limit`.
fn within(limit: f32, n: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..n).map(|_| (2.0 * uniform(rng) - 1.0) * limit).collect()
}

#[cfg(test)]
mod tests {
    use shared::stream::{Purpose, stream};

    use super::*;

    fn mean_and_deviation(init: Init) -> (f64, f64, f32) {
        let values = draw(init, &[40_000], &mut stream(3, Purpose::Init, 0, 0));
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        (mean, (squares / values.len() as f64).sqrt(), largest)
    }

    #[test]
    fn xavier_fills_its_range_evenly() {
        let (mean, deviation, largest) =
            mean_and_deviation(Init::Xavier { inputs: 10, outputs: 14 });
        // limit 0.5; deviation of a uniform number in -0.5..0.5 is 1 / sqrt(12)
        assert!(mean.abs() < 0.005 && (deviation - 0.288_675).abs() < 0.003, "{mean} {deviation}");
        assert!(largest <= 0.5 && largest > 0.499);
    }

    #[test]
    fn uniform_fills_its_range_evenly() {
        let (mean, deviation, largest) = mean_and_deviation(Init::Uniform { inputs: 4 });
        // limit 0.5, as above
        assert!(mean.abs() < 0.005 && (deviation - 0.288_675).abs() < 0.003, "{mean} {deviation}");
        assert!(largest <= 0.5 && largest > 0.499);
    }

    #[test]
    fn normal_has_its_deviation() {
        let (mean, deviation, largest) = mean_and_deviation(Init::Normal { deviation: 0.02 });
        assert!(mean.abs() < 0.0005 && (deviation - 0.02).abs() < 0.0003, "{mean} {deviation}");
        assert!(largest > 0.06, "the tails are there");
    }
}
