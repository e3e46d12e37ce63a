//! Layers, each in its own file.
//!
//! A layer finds the slots of its parameters in the model's [`Layout`](crate::model::Layout). Its forward and backward passes are
//! written by hand on slices, with the arithmetic of [`kernel`], for a shard of a batch on the calling thread. It also has a form
//! composed of candle's differentiable operations ([`Composed`]): slow, but the reference that the tests compare with.

mod attention;
mod block;
mod block_memory;
mod composed;
mod drop_path;
mod gelu;
mod gradients;
mod layer_norm;
mod linear;
mod residual;
mod rollout;
mod stack;
#[cfg(test)]
pub(crate) mod testing;

pub use block::Block;
pub use composed::Composed;
pub use gradients::Gradients;
pub use layer_norm::LayerNorm;
pub use linear::Linear;

pub(crate) use block_memory::BlockWeights;
pub(crate) use gradients::{Unwanted, split, sum_slots};
pub(crate) use layer_norm::NormGradients;
pub(crate) use linear::{Factors, add_bias, add_rows};
pub(crate) use stack::{Pull, Stack, StackRun, StackWeights};
