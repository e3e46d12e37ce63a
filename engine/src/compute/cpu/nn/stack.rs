//! The blocks of an encoder or a decoder, one after the other, over all shards of a batch.
//!
//! The shards pass through a block in parallel, each thread taking one at a time, and their results are independent. Only the
//! weight gradients are shared. They are computed once all shards have passed the block, so no thread keeps a gradient
//! of its own, and the sums are the same for any number of threads.

use candle_core::{Result, Tensor};
use kernel::Kernels;
use rayon::prelude::*;
use shared::settings::TransformerSpec;

use super::{
    attention::AttentionWork,
    block::{Block, Pass},
    block_memory::{BlockTrace, BlockWeights, BlockWork},
    composed::Composed,
    gradients::Gradients,
};
use crate::model::Layout;

/// Rows that an evaluation takes through all blocks at once: few enough that what a layer writes is still cached when the next one
/// reads it.
const EVALUATED_ROWS: usize = 256;

/// The blocks of an encoder or a decoder.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    width: usize,
    blocks: Vec<Block>,
}

/// The packed weights of all blocks: for evaluations, which go through a model many times.
#[derive(Debug, Default)]
pub(crate) struct StackWeights(Vec<BlockWeights>);

/// A shard within a stack.
#[derive(Debug, Default)]
struct Shard {
    /// Tokens per image.
    tokens: usize,
    /// What each block stores; an evaluation shares one.
    traces: Vec<BlockTrace>,
    /// The last block's output, then the gradient of each block's output and input; `(rows, width)`.
    out: Vec<f32>,
    work: BlockWork,
}

/// Reusable memory of a batch within a stack.
#[derive(Debug, Default)]
pub(crate) struct StackRun {
    shards: Vec<Shard>,
}

/// A shard's factors of stochastic depth, for each of a block's two branches and each image; `None` where nothing is dropped.
pub(crate) type Drops<'a> = &'a (dyn Fn(usize) -> Option<&'a [Vec<f32>]> + Sync);

impl Stack {
    /// The blocks of `name.0.*`, `name.1.*`, ... Panics if the model lacks one of them.
    pub(crate) fn of(layout: &Layout, name: &str, spec: TransformerSpec) -> Self {
        let (width, heads) = (spec.dim as usize, spec.heads as usize);
        let blocks =
            (0..spec.depth).map(|i| Block::of(layout, &format!("{name}.{i}"), width, heads));
        Self { width, blocks: blocks.collect() }
    }

    /// Numbers per token.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The blocks, from the first to the last.
    #[cfg(test)]
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Packs the weights for evaluations.
    pub(crate) fn pack(&self, kernels: Kernels, params: &[f32]) -> StackWeights {
        let packed = self.blocks.iter().map(|block| {
            let mut weights = BlockWeights::default();
            block.pack(kernels, params, &mut weights);
            weights
        });
        StackWeights(packed.collect())
    }

    /// Maps `x` `(batch, tokens, width)` to the same shape, composed; `drops` holds factors for each of a block's two branches and image.
    pub(crate) fn composed(
        &self,
        w: &Composed,
        mut x: Tensor,
        drops: Option<&[Vec<f32>]>,
    ) -> Result<Tensor> {
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.composed(w, &x, drops.map(|drops| factors(drops, i)))?;
        }
        Ok(x)
    }
}

/// A gradient of a loss in what some blocks put out, beside that in the last one's output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pull {
    /// The number of these blocks.
    pub(crate) after: usize,
    /// Of each shard, `(rows, width)`.
    pub(crate) gradients: Vec<Vec<f32>>,
}

fn factors(drops: &[Vec<f32>], block: usize) -> [&[f32]; 2] {
    [&drops[2 * block], &drops[2 * block + 1]]
}

impl StackRun {
    /// Makes room for shards of these numbers of images and of tokens per image.
    pub(crate) fn resize(
        &mut self,
        stack: &Stack,
        kernels: Kernels,
        shards: impl Iterator<Item = (usize, usize)>,
    ) {
        self.size(stack, kernels, shards, stack.blocks.len(), true);
    }

    fn size(
        &mut self,
        stack: &Stack,
        kernels: Kernels,
        shards: impl Iterator<Item = (usize, usize)>,
        traces: usize,
        backward: bool,
    ) {
        let mut count = 0;
        for (images, tokens) in shards {
            if self.shards.len() == count {
                self.shards.push(Shard::default());
            }
            let (shard, rows) = (&mut self.shards[count], images * tokens);
            shard.tokens = tokens;
            shard.traces.resize_with(traces, BlockTrace::default);
            shard.traces.iter_mut().for_each(|trace| trace.resize(rows, stack.width));
            shard.out.resize(rows * stack.width, 0.0);
            // The blocks of a stack have the same sizes.
            if let Some(block) = stack.blocks.first() {
                block.resize(kernels, rows, backward, &mut shard.work);
            }
            count += 1;
        }
        self.shards.truncate(count);
    }

    /// Each shard's input, to fill: `(rows, width)`.
    pub(crate) fn inputs(&mut self) -> impl IndexedParallelIterator<Item = &mut Vec<f32>> {
        self.shards.par_iter_mut().map(|shard| match shard.traces.first_mut() {
            Some(first) => &mut first.x,
            None => &mut shard.out,
        })
    }

    /// Each shard's output after [`forward`](Self::forward), `(rows, width)`. [`backward`](Self::backward) expects the output's
    /// gradient here and leaves the input's.
    pub(crate) fn outputs(&mut self) -> impl IndexedParallelIterator<Item = &mut Vec<f32>> {
        self.shards.par_iter_mut().map(|shard| &mut shard.out)
    }

    /// Each shard's tokens after this number of blocks, `(rows, width)`; valid until the gradients are computed.
    pub(crate) fn after(&self, blocks: usize) -> impl Iterator<Item = &[f32]> {
        self.shards.iter().map(move |shard| match shard.traces.get(blocks) {
            Some(next) => &next.x[..],
            None => &shard.out[..],
        })
    }

    /// Computes the outputs from the inputs. `weights` is scratch memory for a block's packed weights.
    pub(crate) fn forward(
        &mut self,
        stack: &Stack,
        kernels: Kernels,
        params: &[f32],
        drops: Drops<'_>,
        weights: &mut BlockWeights,
    ) {
        for (i, block) in stack.blocks.iter().enumerate() {
            block.pack(kernels, params, weights);
            let weights = &*weights;
            self.shards.par_iter_mut().enumerate().for_each(|(at, shard)| {
                let factors = drops(at).map(|drops| factors(drops, i));
                let pass = Pass { kernels, params, tokens: shard.tokens, factors };
                let (trace, later) = shard.traces[i..].split_first_mut().expect("block's trace");
                let out = later.first_mut().map_or(&mut shard.out, |next| &mut next.x);
                block.forward(pass, weights, trace, out, &mut shard.work);
            });
        }
    }

    /// Computes the gradients of the inputs and of all parameters of the stack from those of the outputs.
    /// `weights` as for [`forward`](Self::forward).
    pub(crate) fn backward(
        &mut self,
        stack: &Stack,
        kernels: Kernels,
        params: &[f32],
        drops: Drops<'_>,
        weights: &mut BlockWeights,
        gradients: &mut dyn Gradients,
    ) {
        self.backward_pulled(stack, (kernels, params), drops, weights, &[], gradients);
    }

    /// As [`backward`](Self::backward), with further gradients in what blocks put out.
    pub(crate) fn backward_pulled(
        &mut self,
        stack: &Stack,
        (kernels, params): (Kernels, &[f32]),
        drops: Drops<'_>,
        weights: &mut BlockWeights,
        pulls: &[Pull],
        gradients: &mut dyn Gradients,
    ) {
        for (i, block) in stack.blocks.iter().enumerate().rev() {
            block.pack_back(kernels, params, weights);
            let weights = &*weights;
            self.shards.par_iter_mut().enumerate().for_each(|(at, shard)| {
                let factors = drops(at).map(|drops| factors(drops, i));
                let pass = Pass { kernels, params, tokens: shard.tokens, factors };
                for pull in pulls.iter().filter(|pull| pull.after == i + 1) {
                    let pull = shard.out.iter_mut().zip(&pull.gradients[at]);
                    pull.for_each(|(out, pull)| *out += pull);
                }
                block.backward(pass, weights, &shard.traces[i], &mut shard.out, &mut shard.work);
            });
            let parts = self.shards.iter().map(|shard| &shard.work);
            block.weight_gradients(kernels, parts, gradients);
        }
    }

    /// Takes `x`, `(images * tokens, width)`, through the blocks in place, for an evaluation on the calling thread.
    pub(crate) fn evaluate(
        &mut self,
        stack: &Stack,
        weights: &StackWeights,
        kernels: Kernels,
        params: &[f32],
        tokens: usize,
        x: &mut [f32],
    ) {
        let image = tokens * stack.width;
        for x in x.chunks_mut((EVALUATED_ROWS / tokens).max(1) * image) {
            let pass = Pass { kernels, params, tokens, factors: None };
            let y = self.through(stack, weights, pass, x, |_, _, _| ());
            x.copy_from_slice(y);
        }
    }

    /// Takes `x`, `(images * tokens, width)`, through the blocks for an evaluation. `each` sees every block with the `qkv` that it
    /// computed, `(images * tokens, 3 * width)`, and memory to compute in.
    pub(super) fn through(
        &mut self,
        stack: &Stack,
        weights: &StackWeights,
        pass: Pass<'_>,
        x: &[f32],
        mut each: impl FnMut(&Block, &[f32], &mut AttentionWork),
    ) -> &[f32] {
        let images = x.len() / (pass.tokens * stack.width);
        self.size(stack, pass.kernels, std::iter::once((images, pass.tokens)), 1, false);
        let Shard { traces, out, work, .. } = &mut self.shards[0];
        let trace = &mut traces[0];
        trace.x.copy_from_slice(x);
        for (block, weights) in stack.blocks.iter().zip(&weights.0) {
            block.forward(pass, weights, trace, out, work);
            each(block, &trace.qkv, &mut work.attention);
            std::mem::swap(&mut trace.x, out);
        }
        &trace.x
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::compute::cpu::nn::testing::{Compared, all_kernels, numbers, params};

    /// Two shards of 2 and 1 images of 5 tokens.
    const SHARDS: [(usize, usize); 2] = [(2, 5), (1, 5)];

    #[test]
    fn it_agrees_with_the_composed_blocks() {
        for (width, heads, dropping) in [(8, 2, false), (12, 1, true), (48, 3, true)] {
            let spec = TransformerSpec { dim: width, depth: 2, heads };
            let mut params = params(3, |layout| layout.add_blocks("blocks", spec));
            let stack = Stack::of(params.layout(), "blocks", spec);
            let width = width as usize;
            // Biases and norms differ from their initial values, too.
            let noise = numbers(params.values().len(), 0.1, 4);
            params.values_mut().iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
            let (x, dy) = (numbers(15 * width, 1.0, 1), numbers(15 * width, 1.0, 2));
            let all = [
                vec![0.0, 1.25, 1.25],
                vec![1.25, 0.0, 1.25],
                vec![1.25; 3],
                vec![1.25, 1.25, 0.0],
            ];
            let cut =
                |from: usize, to: usize| all.iter().map(|part| part[from..to].to_vec()).collect();
            let shards: [Vec<Vec<f32>>; 2] = [cut(0, 2), cut(2, 3)];
            let drops = |at: usize| dropping.then_some(&shards[at][..]);
            let oracle =
                Compared::new(&params, &[(&x, &[3, 5, width])], &dy, DType::F64, |w, x| {
                    stack.composed(w, x[0].clone(), dropping.then_some(&all[..]))
                });
            for kernels in all_kernels() {
                let mut run = StackRun::default();
                run.resize(&stack, kernels, SHARDS.into_iter());
                let parts =
                    |values: &[f32]| [values[..10 * width].to_vec(), values[10 * width..].to_vec()];
                run.inputs().zip(parts(&x)).for_each(|(input, x)| *input = x);
                let weights = &mut BlockWeights::default();
                run.forward(&stack, kernels, params.values(), &drops, weights);
                let out = run.outputs().map(|out| out.clone()).collect::<Vec<_>>().concat();
                run.outputs().zip(parts(&dy)).for_each(|(out, dy)| *out = dy);
                let mut gradients = vec![f32::NAN; params.values().len()];
                run.backward(&stack, kernels, params.values(), &drops, weights, &mut gradients);
                let dx = run.outputs().map(|out| out.clone()).collect::<Vec<_>>().concat();
                oracle.assert_same(kernels, &out, &[&dx], &gradients);
                if !dropping {
                    let weights = stack.pack(kernels, params.values());
                    let mut again = x.clone();
                    run.evaluate(&stack, &weights, kernels, params.values(), 5, &mut again);
                    assert_eq!(again, out, "an evaluation gives the same bits");
                }
            }
        }
    }
}
