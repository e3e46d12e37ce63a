//! What a block's passes store and use, in reusable memory.

use kernel::{Kernels, Packed};

use super::{
    attention::AttentionWork,
    block::Block,
    linear::{CHUNK, Factors},
};
use crate::model::MLP_RATIO;

/// The weights of a block, packed for one direction.
#[derive(Debug, Default)]
pub(crate) struct BlockWeights {
    pub qkv: Packed,
    pub proj: Packed,
    pub fc1: Packed,
    pub fc2: Packed,
}

/// What the backward pass of a block needs of a shard's forward pass. Rows are tokens.
#[derive(Debug, Default)]
pub(crate) struct BlockTrace {
    /// `(rows, width)`, the input.
    pub x: Vec<f32>,
    /// `(rows, 3 * width)`
    pub qkv: Vec<f32>,
    /// `(rows, width)`, the heads' outputs.
    pub attended: Vec<f32>,
    /// `(rows, width)`, the input of the MLP branch.
    pub middle: Vec<f32>,
    /// `(rows, 4 * width)`, before GELU.
    pub inner: Vec<f32>,
}

/// Memory of a shard's pass through any block of a given width.
#[derive(Debug, Default)]
pub(crate) struct BlockWork {
    pub attention: AttentionWork,
    /// `(CHUNK, width)` each: the output of a norm, the gradient of a branch's output.
    pub normal: Vec<f32>,
    pub dpart: Vec<f32>,
    /// `(CHUNK, 4 * width)` each: GELU's output, the gradient of its input.
    pub activated: Vec<f32>,
    pub dinner: Vec<f32>,
    /// `(rows, 3 * width)`
    pub dqkv: Vec<f32>,
    /// `(rows, width)`, an intermediate gradient.
    pub passing: Vec<f32>,
    /// Gradients of biases and norms, in the order of the parameters.
    pub vectors: Vec<f32>,
    /// Factors of the weights' gradients.
    pub factors: BlockFactors,
}

#[derive(Debug, Default)]
pub(crate) struct BlockFactors {
    pub qkv: Factors,
    pub proj: Factors,
    pub fc1: Factors,
    pub fc2: Factors,
}

impl BlockTrace {
    /// Makes room for `rows` rows of `width` numbers.
    pub(crate) fn resize(&mut self, rows: usize, width: usize) {
        for (buffer, times) in [
            (&mut self.x, 1),
            (&mut self.qkv, 3),
            (&mut self.attended, 1),
            (&mut self.middle, 1),
            (&mut self.inner, MLP_RATIO),
        ] {
            buffer.resize(rows * width * times, 0.0);
        }
    }
}

impl Block {
    /// Makes room for `rows` rows, for the forward pass alone or for both passes.
    pub(crate) fn resize(
        &self,
        kernels: Kernels,
        rows: usize,
        backward: bool,
        work: &mut BlockWork,
    ) {
        let (width, chunk) = (self.width, rows.min(CHUNK));
        let (back, all) = if backward { (chunk, rows) } else { (0, 0) };
        for (buffer, len) in [
            (&mut work.normal, chunk * width),
            (&mut work.dpart, back * width),
            (&mut work.activated, chunk * MLP_RATIO * width),
            (&mut work.dinner, back * MLP_RATIO * width),
            (&mut work.dqkv, all * 3 * width),
            (&mut work.passing, all * width),
            (&mut work.vectors, if backward { (9 + MLP_RATIO) * width } else { 0 }),
        ] {
            buffer.resize(len, 0.0);
        }
        if backward {
            let BlockFactors { qkv, proj, fc1, fc2 } = &mut work.factors;
            for (factors, layer) in
                [(qkv, self.qkv), (proj, self.proj), (fc1, self.fc1), (fc2, self.fc2)]
            {
                factors.resize(kernels, layer, rows);
            }
        }
    }
}
