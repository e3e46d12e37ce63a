//! Evaluation: a classifier's predictions, nearest neighbours of an encoder's features, an autoencoder's reconstructions.

mod accuracy;
mod evaluator;
mod knn;
mod reconstruct;

pub use accuracy::{count, predictions};
pub use evaluator::Evaluator;
pub use knn::Bank;
pub use reconstruct::{Reconstructed, Reconstructor};
