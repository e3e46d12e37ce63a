//! Layers, each in its own file.
//!
//! A layer knows the places of its parameters in the model's flat buffer and has its forward and backward pass written by hand, on
//! slices, for a shard of a batch on the calling thread: the arithmetic of [`kernel`]. Beside it stands its composed form, made
//! of candle's differentiable operations ([`Composed`]): slow, and what the tests compare the arithmetic with.

mod attention;
mod block;
mod block_memory;
mod composed;
mod drop_path;
mod gelu;
mod gradients;
mod init;
mod layer_norm;
mod linear;
pub mod params;
mod pos_embed;
mod residual;
mod stack;
pub mod tensor_file;
#[cfg(test)]
pub(crate) mod testing;

pub use block::Block;
pub use composed::Composed;
pub use drop_path::{drop_factor, drop_rate};
pub use gradients::Gradients;
pub use init::Init;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use params::{Param, Params, Slot};
pub use pos_embed::sin_cos_table;

pub(crate) use block_memory::BlockWeights;
pub(crate) use gradients::{split, sum_slots};
pub(crate) use init::normal;
pub(crate) use layer_norm::NormGradients;
pub(crate) use linear::{Factors, add_bias, add_rows};
pub(crate) use stack::{Stack, StackRun, StackWeights};
