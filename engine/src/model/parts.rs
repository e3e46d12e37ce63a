//! The layers of models, as tensors.

use shared::settings::TransformerSpec;

use super::layout::{Init, Layout};

/// Ratio of the width inside a block's MLP to the width outside, as in the paper.
pub const MLP_RATIO: usize = 4;
/// Initial values of learned tokens.
pub(super) const TOKEN: Init = Init::Normal { deviation: 0.02 };

impl Layout {
    /// `name.weight` `(outputs, inputs)` (Xavier, uniform) and `name.bias` `(outputs,)` (zeros).
    pub fn add_linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        let init = (Init::Xavier { inputs, outputs }, Init::Zero);
        self.add_linear_with(name, inputs, outputs, init);
    }

    /// Like [`add_linear`](Self::add_linear), with these initial weights and this initial bias.
    pub fn add_linear_with(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
        (weight, bias): (Init, Init),
    ) {
        self.add(&format!("{name}.weight"), &[outputs, inputs], weight);
        self.add(&format!("{name}.bias"), &[outputs], bias);
    }

    /// The patch embedding `patch_embed.proj.*`: a convolution whose kernel is as large as its stride.
    pub fn add_patch_embedding(&mut self, patch: usize, width: usize) {
        let init = Init::Xavier { inputs: 3 * patch * patch, outputs: width };
        self.add("patch_embed.proj.weight", &[width, 3, patch, patch], init);
        self.add("patch_embed.proj.bias", &[width], Init::Zero);
    }

    /// `name.weight` (ones) and `name.bias` (zeros), both `(width,)`.
    pub fn add_norm(&mut self, name: &str, width: usize) {
        self.add(&format!("{name}.weight"), &[width], Init::One);
        self.add(&format!("{name}.bias"), &[width], Init::Zero);
    }

    /// `name.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*`.
    pub fn add_block(&mut self, name: &str, width: usize) {
        let inner = MLP_RATIO * width;
        self.add_norm(&format!("{name}.norm1"), width);
        self.add_linear(&format!("{name}.attn.qkv"), width, 3 * width);
        self.add_linear(&format!("{name}.attn.proj"), width, width);
        self.add_norm(&format!("{name}.norm2"), width);
        self.add_linear(&format!("{name}.mlp.fc1"), width, inner);
        self.add_linear(&format!("{name}.mlp.fc2"), inner, width);
    }

    /// `name.0.*`, `name.1.*`, ...
    pub fn add_blocks(&mut self, name: &str, spec: TransformerSpec) {
        for i in 0..spec.depth {
            self.add_block(&format!("{name}.{i}"), spec.dim as usize);
        }
    }
}
