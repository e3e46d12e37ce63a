//! A transformer block, normalised before each of its two parts (Dosovitskiy et al. 2021).

use candle_core::{Result, Tensor};

use super::{
    attention::Attention, drop_path::scale_images, layer_norm::LayerNorm, mlp::Mlp, params::Params,
};

/// `x += attention(norm1(x)); x += mlp(norm2(x))`
#[derive(Clone, Debug)]
pub struct Block {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    /// Adds `name.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*` to the parameters.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn new(params: &mut Params, name: &str, width: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            norm1: LayerNorm::new(params, &format!("{name}.norm1"), width)?,
            attn: Attention::new(params, &format!("{name}.attn"), width, heads)?,
            norm2: LayerNorm::new(params, &format!("{name}.norm2"), width)?,
            mlp: Mlp::new(params, &format!("{name}.mlp"), width)?,
        })
    }

    /// `(batch, tokens, width)` to the same shape.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = (x + self.attn.forward(&self.norm1.forward(x)?)?)?;
        &x + self.mlp.forward(&self.norm2.forward(&x)?)?
    }

    /// As [`forward`](Self::forward) with stochastic depth: `factors` weighs attention and MLP of each image
    /// ([`drop_factor`](super::drop_factor)).
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward_dropping(&self, x: &Tensor, factors: [&[f32]; 2]) -> Result<Tensor> {
        let attended = self.attn.forward(&self.norm1.forward(x)?)?;
        let x = (x + scale_images(&attended, factors[0])?)?;
        let changed = self.mlp.forward(&self.norm2.forward(&x)?)?;
        &x + scale_images(&changed, factors[1])?
    }
}
