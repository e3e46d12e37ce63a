//! Random numbers beyond those of [`shared::stream`].

use rand_chacha::ChaCha8Rng;
use shared::stream::uniform;

/// A standard normal number (Box and Muller 1958).
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - f64::from(uniform(rng))).ln()).sqrt();
    radius * (std::f64::consts::TAU * f64::from(uniform(rng))).cos()
}
