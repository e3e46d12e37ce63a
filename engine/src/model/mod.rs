//! The models: the masked autoencoder and the linear classifier on its features.

mod classifier;
mod mae;
mod patches;

pub use classifier::{Classifier, cross_entropy};
pub use mae::Mae;
pub use patches::{MaskedImages, PatchGrid, patch_moments};
