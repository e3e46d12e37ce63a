//! The sizes of models, and the arithmetic that they are trained in.

use crate::{gpu::Numbers, kernels::Storage};

/// The blocks of a transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Numbers of a token.
    pub width: usize,
    /// How many blocks there are.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
}

/// A masked autoencoder (He et al. 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaeShape {
    /// Side of an image in pixels.
    pub side: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Of the visible patches.
    pub encoder: Blocks,
    /// Of all patches.
    pub decoder: Blocks,
}

/// A vision transformer with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VitShape {
    /// Side of an image in pixels.
    pub side: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Of all patches.
    pub blocks: Blocks,
    /// Classes of the head.
    pub classes: usize,
    /// Whether the head has the mean of the patches, not the CLS token.
    pub mean: bool,
}

impl MaeShape {
    pub(crate) fn patches(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    pub(crate) fn pixels(&self) -> usize {
        3 * self.patch * self.patch
    }
}

impl VitShape {
    pub(crate) fn patches(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    pub(crate) fn pixels(&self) -> usize {
        3 * self.patch * self.patch
    }
}

/// How a model is computed. Parameters, moments, gradients and all sums are in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// Everything in single precision.
    F32,
    /// Stored in single precision, multiplied in TF32.
    Tf32,
    /// Activations in bf16, the residual stream in single precision, as PyTorch's autocast keeps it.
    Bf16,
    /// Like `Bf16`, with a residual stream in bf16: faster, gradients about a seventh further off.
    Bf16Stream,
}

impl Arithmetic {
    pub(crate) fn storage(self) -> Storage {
        let single = matches!(self, Self::F32 | Self::Tf32);
        Storage { activations_f32: single, residual_f32: self != Self::Bf16Stream }
    }

    pub(crate) fn numbers(self) -> Numbers {
        match self {
            Self::F32 => Numbers::F32,
            Self::Tf32 => Numbers::Tf32,
            Self::Bf16 | Self::Bf16Stream => Numbers::Bf16,
        }
    }

    /// What the head of a classifier is multiplied in.
    pub(crate) fn head_numbers(self) -> Numbers {
        if self == Self::Tf32 { Numbers::Tf32 } else { Numbers::F32 }
    }
}
