//! Models in training on NVIDIA GPUs.

mod error;

pub use error::{Error, Result};
