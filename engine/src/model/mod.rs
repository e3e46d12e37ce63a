//! What the models are: tensors by name and shape, how they begin, and which step together. Nothing here computes.
//!
//! Every device reads the same description, so a checkpoint of one is a checkpoint of all. The names are those of MAE and timm:
//! a checkpoint moves to and from PyTorch unchanged.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | a model's tensors in order: name, shape, place in a flat buffer, initial values |
//! | `parts` | the layers that models are made of, as tensors |
//! | `mae`, `vit`, `head` | the masked autoencoder, the classifier of fine-tuning, the head of a linear probe |
//! | `groups` | which tensors an optimiser steps at which rate, and with decay |
//! | `grid` | the patches of an image |
//! | `hugging_face` | the sizes of a classifier of transformers |

mod grid;
mod groups;
mod head;
mod hugging_face;
mod layout;
mod mae;
mod parts;
mod vit;

pub use grid::PatchGrid;
pub use groups::{Group, layer_groups, plain_groups};
pub use head::head;
pub use hugging_face::{ACTIVATIONS, HuggingFaceSizes};
pub use layout::{Init, Layout, Param, Slot};
pub use mae::{is_of_decoder, mae};
pub use parts::MLP_RATIO;
pub(crate) use vit::last_norm;
pub use vit::vit;
