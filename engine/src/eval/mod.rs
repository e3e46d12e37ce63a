//! Evaluation: a classifier's predictions, an autoencoder's reconstructions.

mod accuracy;
mod reconstruct;

pub use accuracy::{count, predictions};
pub use reconstruct::{Reconstructed, Reconstructor};
