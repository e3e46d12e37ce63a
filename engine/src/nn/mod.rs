//! Layers, each in its own file.
//!
//! A layer runs on candle's automatic differentiation. Where candle's composed operations make many passes over memory
//! (linear layers, attention, LayerNorm, GELU), the layer is one operation with a backward pass written by hand; its composed
//! form stays beside it, runs for other number types and devices, and is what the tests compare it with. Every
//! operation works on the calling thread alone: threads share the work one level higher, in
//! [`train::replicas`](crate::train::replicas).

mod attention;
mod block;
mod drop_path;
mod gelu;
mod init;
mod layer_norm;
mod linear;
mod matrix;
mod mlp;
mod op;
pub mod params;
mod patch_embed;
mod pos_embed;
mod repeat;
pub(crate) mod simd;
pub mod tensor_file;
#[cfg(test)]
pub(crate) mod testing;

pub use attention::{Attention, attend, attend_composed};
pub use block::Block;
pub use drop_path::{drop_factor, drop_rate, scale_images};
pub use gelu::{gelu, gelu_composed};
pub use init::Init;
pub use layer_norm::{LayerNorm, layer_norm, layer_norm_composed};
pub use linear::{Linear, linear, linear_composed};
pub use mlp::Mlp;
pub use params::{Param, Params};
pub use patch_embed::PatchEmbed;
pub use pos_embed::sin_cos_table;
pub use repeat::{repeat_rows, repeat_token};

pub(crate) use init::normal;
pub(crate) use matrix::{Matrix, MatrixMut};
pub(crate) use op::with_slice;
