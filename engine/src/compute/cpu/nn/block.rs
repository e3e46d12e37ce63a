//! A pre-norm transformer block (Dosovitskiy et al. 2021):
//! `x += attention(norm1(x)); x += mlp(norm2(x))`.
//!
//! The forward and backward passes process a shard of a batch on one thread. The forward pass stores what the backward pass cannot
//! recompute cheaply; the outputs of the norms and of GELU are recomputed. Weight gradients are products over all shards, computed
//! on all threads at the end of a block's backward pass ([`Block::weight_gradients`]).

use candle_core::{Result, Tensor};
use kernel::{Kernels, Packed};

use super::{
    attention::Attention,
    block_memory::{BlockTrace, BlockWeights, BlockWork},
    composed::Composed,
    drop_path::scale_composed,
    gelu::{biased_gelu, gelu_backward, gelu_composed},
    gradients::{Gradients, split, sum_parts},
    layer_norm::{LayerNorm, NormGradients},
    linear::{CHUNK, Linear, add_bias, add_rows},
    residual::{Rows, add_part, scale_rows},
};
use crate::model::{Layout, MLP_RATIO};

/// A transformer block.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub(super) width: usize,
    attention: Attention,
    norm1: LayerNorm,
    pub(super) qkv: Linear,
    pub(super) proj: Linear,
    norm2: LayerNorm,
    pub(super) fc1: Linear,
    pub(super) fc2: Linear,
}

/// The arguments of a shard's pass through a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a> {
    /// Kernels to compute with.
    pub kernels: Kernels,
    /// All parameters of the model.
    pub params: &'a [f32],
    /// Tokens per image.
    pub tokens: usize,
    /// Stochastic depth: the factors of attention and MLP for each image ([`drop_factor`](super::drop_factor)).
    pub factors: Option<[&'a [f32]; 2]>,
}

impl Block {
    /// The block of `name.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*`. `heads` divides `width`. Panics if the model has
    /// no such block.
    pub fn of(layout: &Layout, name: &str, width: usize, heads: usize) -> Self {
        Self {
            width,
            attention: Attention { width, heads },
            norm1: LayerNorm::of(layout, &format!("{name}.norm1")),
            qkv: Linear::of(layout, &format!("{name}.attn.qkv")),
            proj: Linear::of(layout, &format!("{name}.attn.proj")),
            norm2: LayerNorm::of(layout, &format!("{name}.norm2")),
            fc1: Linear::of(layout, &format!("{name}.mlp.fc1")),
            fc2: Linear::of(layout, &format!("{name}.mlp.fc2")),
        }
    }

    /// Its attention.
    pub(super) fn attention(&self) -> Attention {
        self.attention
    }

    /// Packs the weights for [`forward`](Self::forward).
    pub(crate) fn pack(&self, kernels: Kernels, params: &[f32], weights: &mut BlockWeights) {
        self.pack_each(weights, |linear, packed| linear.pack(kernels, params, packed));
    }

    /// Packs the weights for [`backward`](Self::backward).
    pub(crate) fn pack_back(&self, kernels: Kernels, params: &[f32], weights: &mut BlockWeights) {
        self.pack_each(weights, |linear, packed| linear.pack_back(kernels, params, packed));
    }

    fn pack_each(&self, weights: &mut BlockWeights, pack: impl Fn(Linear, &mut Packed) + Sync) {
        let BlockWeights { qkv, proj, fc1, fc2 } = weights;
        let attention = || [(self.qkv, qkv), (self.proj, proj)].map(|(l, packed)| pack(l, packed));
        let mlp = || rayon::join(|| pack(self.fc1, fc1), || pack(self.fc2, fc2));
        rayon::join(attention, mlp);
    }

    /// Maps `trace.x` to `out`, both `(rows, width)`.
    pub(crate) fn forward(
        &self,
        pass: Pass<'_>,
        weights: &BlockWeights,
        trace: &mut BlockTrace,
        out: &mut [f32],
        work: &mut BlockWork,
    ) {
        let Pass { kernels, params, tokens, factors } = pass;
        let (path, d) = (kernels.path, self.width);
        let BlockTrace { x, qkv, attended, middle, inner } = trace;
        for (x, qkv) in x.chunks(CHUNK * d).zip(qkv.chunks_mut(CHUNK * 3 * d)) {
            let normal = &mut work.normal[..x.len()];
            self.norm1.forward(path, params, x, normal);
            self.qkv.forward(&weights.qkv, normal, qkv);
            add_bias(path, qkv, self.qkv.bias(params));
        }
        let images = qkv.chunks_exact(tokens * 3 * d).zip(attended.chunks_exact_mut(tokens * d));
        for (qkv, attended) in images {
            self.attention.forward(kernels, qkv, attended, &mut work.attention);
        }
        let rows = |part: usize, chunk: usize| Rows {
            first: chunk * CHUNK,
            tokens,
            factors: factors.map(|f| f[part]),
        };
        let chunks = x.chunks(CHUNK * d).zip(attended.chunks(CHUNK * d));
        let chunks = chunks.zip(middle.chunks_mut(CHUNK * d));
        let chunks = chunks.zip(inner.chunks_mut(CHUNK * MLP_RATIO * d));
        let chunks = chunks.zip(out.chunks_mut(CHUNK * d));
        for (chunk, ((((x, attended), middle), inner), out)) in chunks.enumerate() {
            self.proj.forward(&weights.proj, attended, middle);
            add_part(path, middle, self.proj.bias(params), x, rows(0, chunk));
            let normal = &mut work.normal[..middle.len()];
            self.norm2.forward(path, params, middle, normal);
            let activated = &mut work.activated[..inner.len()];
            self.fc1.forward(&weights.fc1, normal, inner);
            biased_gelu(path, inner, self.fc1.bias(params), activated);
            self.fc2.forward(&weights.fc2, activated, out);
            add_part(path, out, self.fc2.bias(params), middle, rows(1, chunk));
        }
    }

    /// Turns the gradient of the output, in `dx`, into that of the input, both `(rows, width)`. Leaves in `work` what
    /// [`weight_gradients`](Self::weight_gradients) needs.
    pub(crate) fn backward(
        &self,
        pass: Pass<'_>,
        weights: &BlockWeights,
        trace: &BlockTrace,
        dx: &mut [f32],
        work: &mut BlockWork,
    ) {
        let Pass { kernels, params, tokens, factors } = pass;
        let (path, d) = (kernels.path, self.width);
        let BlockTrace { x, qkv, attended, middle, inner } = trace;
        let BlockWork { attention, dqkv, passing, vectors, factors: kept, .. } = work;
        vectors.fill(0.0);
        let (dnorm1, rest) = vectors.split_at_mut(2 * d);
        let (dqkv_bias, rest) = rest.split_at_mut(3 * d);
        let (dproj_bias, rest) = rest.split_at_mut(d);
        let (dnorm2, rest) = rest.split_at_mut(2 * d);
        let (dfc1_bias, dfc2_bias) = rest.split_at_mut(MLP_RATIO * d);

        let chunks = dx.chunks_mut(CHUNK * d).zip(passing.chunks_mut(CHUNK * d));
        let chunks = chunks.zip(inner.chunks(CHUNK * MLP_RATIO * d));
        let chunks = chunks.zip(middle.chunks(CHUNK * d)).zip(attended.chunks(CHUNK * d));
        for (chunk, ((((dx, passing), inner), middle), attended)) in chunks.enumerate() {
            let first = chunk * CHUNK;
            let (normal, dpart) = (&mut work.normal[..dx.len()], &mut work.dpart[..dx.len()]);
            let activated = &mut work.activated[..inner.len()];
            let dinner = &mut work.dinner[..inner.len()];
            let scaled = |part: usize, from: &[f32], to: &mut [f32]| {
                let rows = Rows { first, tokens, factors: factors.map(|f| f[part]) };
                scale_rows(path, from, to, d, rows);
            };

            scaled(1, dx, dpart);
            add_rows(path, dpart, dfc2_bias);
            kept.fc2.fill_dy(first, dpart);
            self.fc2.backward(&weights.fc2, dpart, dinner);
            gelu_backward(path, inner, activated, dinner, dfc1_bias);
            kept.fc2.fill_x(first, activated);
            kept.fc1.fill_dy(first, dinner);
            self.fc1.backward(&weights.fc1, dinner, passing);
            let sums = dnorm2.split_at_mut(d).into();
            let into = NormGradients { dx: &mut *dx, sums, again: &mut *normal };
            self.norm2.backward(path, params, middle, passing, into);
            kept.fc1.fill_x(first, normal);

            scaled(0, dx, dpart);
            add_rows(path, dpart, dproj_bias);
            kept.proj.fill_dy(first, dpart);
            kept.proj.fill_x(first, attended);
            self.proj.backward(&weights.proj, dpart, passing);
        }
        let images = qkv.chunks_exact(tokens * 3 * d).zip(passing.chunks_exact(tokens * d));
        for ((qkv, g), dqkv) in images.zip(dqkv.chunks_exact_mut(tokens * 3 * d)) {
            self.attention.backward(kernels, qkv, g, dqkv, attention);
        }
        let chunks = dx.chunks_mut(CHUNK * d).zip(x.chunks(CHUNK * d));
        for (chunk, ((dx, x), dqkv)) in chunks.zip(dqkv.chunks(CHUNK * 3 * d)).enumerate() {
            let first = chunk * CHUNK;
            let (normal, dnormal) = (&mut work.normal[..x.len()], &mut work.dpart[..x.len()]);
            add_rows(path, dqkv, dqkv_bias);
            kept.qkv.fill_dy(first, dqkv);
            self.qkv.backward(&weights.qkv, dqkv, dnormal);
            let sums = dnorm1.split_at_mut(d).into();
            let into = NormGradients { dx, sums, again: &mut *normal };
            self.norm1.backward(path, params, x, dnormal, into);
            kept.qkv.fill_x(first, normal);
        }
    }

    /// The gradients of all of the block's parameters: the sums over the shards, in order, after their
    /// [`backward`](Self::backward) passes. Uses all threads of the current rayon pool.
    #[expect(clippy::needless_pass_by_value, reason = "an iterator, cloned for each part")]
    pub(crate) fn weight_gradients<'a>(
        &self,
        kernels: Kernels,
        shards: impl Iterator<Item = &'a BlockWork> + Clone + Sync + Send,
        gradients: &mut dyn Gradients,
    ) {
        let (d, inner, path) = (self.width, MLP_RATIO * self.width, kernels.path);
        let factors = shards.clone().map(|work| &work.factors);
        let vectors = |from: usize| shards.clone().map(move |work| &work.vectors[from..]);
        // Attention's parameters are contiguous, and so are the MLP's.
        let attention = self.norm1.slots()[0].start..self.proj.bias_slot().range().end;
        gradients.part(attention, &mut |part| {
            let lens = [2 * d, 3 * d * d, 3 * d, d * d, d];
            let [norm, qkv, qkv_bias, proj, proj_bias] = split(part, lens);
            rayon::join(
                || self.qkv.weight_part(factors.clone().map(|f| &f.qkv), qkv),
                || {
                    self.proj.weight_part(factors.clone().map(|f| &f.proj), proj);
                    sum_parts(path, [norm, qkv_bias, proj_bias], vectors(0));
                },
            );
        });
        let mlp = self.norm2.slots()[0].start..self.fc2.bias_slot().range().end;
        gradients.part(mlp, &mut |part| {
            let lens = [2 * d, inner * d, inner, d * inner, d];
            let [norm, fc1, fc1_bias, fc2, fc2_bias] = split(part, lens);
            rayon::join(
                || self.fc1.weight_part(factors.clone().map(|f| &f.fc1), fc1),
                || {
                    self.fc2.weight_part(factors.clone().map(|f| &f.fc2), fc2);
                    sum_parts(path, [norm, fc1_bias, fc2_bias], vectors(6 * d));
                },
            );
        });
    }

    /// The attention weights of every head for the input `x` `(batch, tokens, width)`, composed: `(batch, heads, tokens, tokens)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    #[cfg(test)]
    pub(super) fn composed_attention(&self, w: &Composed, x: &Tensor) -> Result<Tensor> {
        self.attention.composed_weights(&self.qkv.composed(w, &self.norm1.composed(w, x)?)?)
    }

    /// Maps `x` `(batch, tokens, width)` to the same shape, composed.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn composed(
        &self,
        w: &Composed,
        x: &Tensor,
        factors: Option<[&[f32]; 2]>,
    ) -> Result<Tensor> {
        let scaled = |part: usize, x: Tensor| match factors {
            Some(factors) => scale_composed(w, &x, factors[part]),
            None => Ok(x),
        };
        let qkv = self.qkv.composed(w, &self.norm1.composed(w, x)?)?;
        let attended = self.proj.composed(w, &self.attention.composed(&qkv)?)?;
        let x = (x + scaled(0, attended)?)?;
        let inner = self.fc1.composed(w, &self.norm2.composed(w, &x)?)?;
        &x + scaled(1, self.fc2.composed(w, &gelu_composed(&inner)?)?)?
    }
}
