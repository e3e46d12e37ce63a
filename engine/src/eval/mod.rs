//! Evaluation: a classifier's predictions, an autoencoder's reconstructions.

mod accuracy;
mod evaluator;
mod reconstruct;

pub use accuracy::evaluate;
pub use evaluator::Evaluator;
pub use reconstruct::{Reconstructed, Reconstructor};
