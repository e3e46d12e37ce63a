//! Attention roll-out (Abnar and Zuidema 2020, "Quantifying attention flow in transformers"): how much of each patch reaches the CLS token
//! through all blocks. Only an evaluation keeps attention weights; training recomputes them.

use kernel::Kernels;

use super::{
    attention::{Attention, AttentionWork},
    block::Pass,
    stack::{Stack, StackRun, StackWeights},
};

/// The roll-out of the blocks so far: `(tokens, tokens)`, which part of each token's state comes from each input token.
pub(super) struct RollOut {
    tokens: usize,
    flow: Vec<f64>,
}

impl RollOut {
    /// Before the first block every token is itself.
    pub(super) fn new(tokens: usize) -> Self {
        let mut flow = vec![0.0; tokens * tokens];
        flow.iter_mut().step_by(tokens + 1).for_each(|own| *own = 1.0);
        Self { tokens, flow }
    }

    /// Adds a block by its attention weights, the mean over its heads, `(tokens, tokens)`. Half of a token's state passes by the
    /// attention: `(A + I) / 2`, its rows divided by their sums, times the flow before.
    pub(super) fn add(&mut self, mean: &[f64]) {
        let n = self.tokens;
        let mut flow = vec![0.0; n * n];
        for (i, (row, sums)) in mean.chunks_exact(n).zip(flow.chunks_exact_mut(n)).enumerate() {
            let share = |j: usize| 0.5 * (row[j] + f64::from(u8::from(i == j)));
            let total: f64 = (0..n).map(share).sum();
            for (j, before) in self.flow.chunks_exact(n).enumerate() {
                let share = share(j) / total;
                sums.iter_mut().zip(before).for_each(|(sum, before)| *sum += share * before);
            }
        }
        self.flow = flow;
    }

    /// What reaches the CLS token, the first one, from each of the others.
    pub(super) fn to_cls(&self) -> Vec<f64> {
        self.flow[1..self.tokens].to_vec()
    }
}

impl Attention {
    /// The attention weights of one image's `qkv` `(tokens, 3 * width)`, the mean over the heads: `(tokens, tokens)`.
    pub(super) fn mean_weights(
        self,
        kernels: Kernels,
        qkv: &[f32],
        work: &mut AttentionWork,
    ) -> Vec<f64> {
        let tokens = qkv.len() / (3 * self.width);
        let mut mean = vec![0.0; tokens * tokens];
        for head in 0..self.heads {
            let weights = self.weights_of(kernels, qkv, head, work);
            for (sum, &weight) in mean.iter_mut().zip(weights) {
                *sum += f64::from(weight) / self.heads as f64;
            }
        }
        mean
    }
}

impl StackRun {
    /// Takes one image's tokens `x` `(tokens, width)`, the CLS token first, through the blocks and rolls their attention out: what of each
    /// other token reaches the CLS token; on the calling thread.
    pub(crate) fn roll_out(
        &mut self,
        stack: &Stack,
        weights: &StackWeights,
        kernels: Kernels,
        params: &[f32],
        x: &[f32],
    ) -> Vec<f64> {
        let tokens = x.len() / stack.width();
        let mut roll_out = RollOut::new(tokens);
        let pass = Pass { kernels, params, tokens, factors: None };
        self.through(stack, weights, pass, x, |block, qkv, work| {
            roll_out.add(&block.attention().mean_weights(kernels, qkv, work));
        });
        roll_out.to_cls()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, DType, Tensor};
    use shared::settings::TransformerSpec;

    use super::*;
    use crate::compute::cpu::nn::{
        Composed,
        testing::{all_kernels, numbers, params},
    };

    #[test]
    fn two_blocks_as_numpy_has_them() {
        // The published formula in numpy 2.4.6: two blocks of three heads and five tokens.
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../../../tests/reference/rollout.json")).unwrap();
        let mut roll_out = RollOut::new(5);
        for block in reference["attention"].as_array().unwrap() {
            let heads = block.as_array().unwrap();
            let mut mean = vec![0.0; 25];
            for head in heads {
                let rows = head.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap());
                for (sum, weight) in mean.iter_mut().zip(rows) {
                    *sum += weight.as_f64().unwrap() / heads.len() as f64;
                }
            }
            roll_out.add(&mean);
        }
        let expected = reference["cls_to_patches"].as_array().unwrap();
        for (is, expected) in roll_out.to_cls().iter().zip(expected) {
            assert!((is - expected.as_f64().unwrap()).abs() < 1e-12, "{is}, not {expected}");
        }
    }

    /// The same from the composed blocks, in double precision.
    fn composed(stack: &Stack, w: &Composed, x: &[f32], tokens: usize) -> Vec<f64> {
        let mut x = w.constant(x, (1, tokens, x.len() / tokens)).unwrap();
        let mut flow = Tensor::eye(tokens, DType::F64, &candle_core::Device::Cpu).unwrap();
        for block in stack.blocks() {
            let weights = block.composed_attention(w, &x).unwrap().squeeze(0).unwrap();
            let own = Tensor::eye(tokens, DType::F64, &candle_core::Device::Cpu).unwrap();
            let share = ((weights.mean(0).unwrap() + own).unwrap() / 2.0).unwrap();
            let share = share.broadcast_div(&share.sum_keepdim(D::Minus1).unwrap()).unwrap();
            flow = share.matmul(&flow).unwrap();
            x = block.composed(w, &x, None).unwrap();
        }
        flow.get(0).unwrap().to_vec1::<f64>().unwrap()[1..].to_vec()
    }

    #[test]
    fn it_agrees_with_the_composed_blocks() {
        for (width, heads, depth, tokens) in [(8, 2, 1, 5), (24, 3, 3, 17), (12, 1, 2, 2)] {
            let spec = TransformerSpec { dim: width, depth, heads };
            let mut params = params(3, |layout| layout.add_blocks("blocks", spec));
            let noise = numbers(params.values().len(), 0.3, 4);
            params.values_mut().iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
            let stack = Stack::of(params.layout(), "blocks", spec);
            let x = numbers(tokens * width as usize, 1.0, 1);
            let w = Composed::new(&params, DType::F64).unwrap();
            let expected = composed(&stack, &w, &x, tokens);
            for kernels in all_kernels() {
                let weights = stack.pack(kernels, params.values());
                let mut run = StackRun::default();
                let is = run.roll_out(&stack, &weights, kernels, params.values(), &x);
                let tolerance =
                    if kernels.precision == kernel::Precision::F32 { 1e-5 } else { 2e-2 };
                for (is, expected) in is.iter().zip(&expected) {
                    assert!((is - expected).abs() < tolerance, "{kernels:?}: {is}, not {expected}");
                }
                let mass: f64 = is.iter().sum();
                assert!(mass > 0.0 && mass < 1.0, "the rest is the CLS token's own: {mass}");
            }
        }
    }
}
