//! The models: the masked autoencoder and the linear classifier on its features.

mod classifier;
mod mae;
mod patches;
mod targets;
mod vit;

pub use classifier::{Classifier, cross_entropy};
pub use mae::Mae;
pub use patches::{MaskedImages, PatchGrid, patch_moments};
pub use targets::{Targets, soft_cross_entropy};
pub use vit::{Vit, WholeImages};
