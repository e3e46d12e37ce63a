//! Descriptions of the models: tensors by name and shape, their initial values, and how they are stepped. Nothing here computes.
//!
//! All devices use the same description, so each can read a checkpoint of any other. The names are those of MAE and timm:
//! a checkpoint moves to and from PyTorch unchanged.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | a model's tensors in order: name, shape, place in a flat buffer, initial values |
//! | `parts` | the layers of models, as tensors |
//! | `mae`, `vit`, `head` | the masked autoencoder and the decoder of embeddings, the classifier of fine-tuning, the head of a linear probe |
//! | `groups` | learning rate and weight decay of each tensor |
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
pub use mae::{embedding_decoder, is_of_decoder, mae};
pub use parts::MLP_RATIO;
pub(crate) use vit::last_norm;
pub use vit::vit;
