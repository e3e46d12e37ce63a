//! The models: the masked autoencoder, the linear classifier on its features, the classifier of fine-tuning, and Hugging Face's.

mod classifier;
mod classify;
mod hugging_face;
mod mae;
mod mae_eval;
mod mae_run;
mod mae_tokens;
mod patches;
mod targets;
mod vit;
mod vit_run;

pub use classifier::Classifier;
pub use classify::{Classify, VitWith};
pub use hugging_face::{ACTIVATIONS, HuggingFaceSizes, HuggingFaceVit};
pub use mae::Mae;
pub use mae_run::MaeRun;
pub use patches::{MaskedImages, PatchGrid, patch_moments};
pub use targets::{Targets, soft_cross_entropy};
pub use vit::{Vit, WholeImages};
pub use vit_run::{LabelledImages, VitRun};
