//! From the pixels of a patch to a token.

use candle_core::{Result, Tensor};

use super::{init::Init, linear::linear, params::Params};

/// A convolution whose kernel is as large as its stride: a linear layer over the pixels of each patch.
#[derive(Clone, Debug)]
pub struct PatchEmbed {
    /// `(width, 3, patch, patch)`, the shape that timm's checkpoints have.
    weight: Tensor,
    /// `(width,)`
    bias: Tensor,
}

impl PatchEmbed {
    /// Adds `patch_embed.proj.*` to the parameters; the weight is drawn as a linear layer's.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn new(params: &mut Params, patch: usize, width: usize) -> Result<Self> {
        let weight = Init::Xavier { inputs: 3 * patch * patch, outputs: width };
        Ok(Self {
            weight: params.add("patch_embed.proj.weight", (width, 3, patch, patch), weight)?,
            bias: params.add("patch_embed.proj.bias", width, Init::Zero)?,
        })
    }

    /// `(batch, patches, 3 * patch * patch)`, each patch channel by channel and row by row, to `(batch, patches, width)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        linear(patches, &self.weight.flatten_from(1)?, &self.bias)
    }
}
