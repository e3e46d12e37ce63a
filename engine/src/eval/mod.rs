//! Evaluation: a classifier's predictions, nearest neighbours of an encoder's features, an autoencoder's reconstructions.

mod accuracy;
mod knn;
mod reconstruct;

pub use accuracy::{count, predictions};
pub use knn::Bank;
pub use reconstruct::{Reconstructed, Reconstructor};
