//! A transformer block, normalised before each of its two parts (Dosovitskiy et al. 2021):
//! `x += attention(norm1(x)); x += mlp(norm2(x))`.
//!
//! Forward and backward go over a shard of a batch on one thread. Forward keeps what backward cannot compute again cheaply; the
//! outputs of the norms and of GELU are computed again. Gradients of weights are products over all shards, made at the end of a
//! block's backward on all threads ([`Block::weight_gradients`]).

use candle_core::{Result, Tensor};
use kernel::{Kernels, Packed, vectorized};

use super::{
    attention::{Attention, AttentionWork},
    composed::Composed,
    drop_path::scale_composed,
    gelu::{biased_gelu, gelu_backward, gelu_composed},
    layer_norm::{LayerNorm, NormGradients},
    linear::{CHUNK, Linear, add_bias, add_rows, sum_parts},
    params::{Params, Slot},
};

/// Width inside the MLP over width outside, as in the paper.
pub(crate) const MLP_RATIO: usize = 4;

/// A transformer block.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    width: usize,
    attention: Attention,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

/// The weights of a block, packed for one direction.
#[derive(Debug, Default)]
pub(crate) struct BlockWeights {
    qkv: Packed,
    proj: Packed,
    fc1: Packed,
    fc2: Packed,
}

/// What the backward pass of a block needs of a shard's forward pass. Rows are tokens.
#[derive(Debug, Default)]
pub(crate) struct BlockTrace {
    /// `(rows, width)`, the input.
    pub x: Vec<f32>,
    /// `(rows, 3 * width)`
    qkv: Vec<f32>,
    /// `(rows, width)`, the heads' outputs.
    attended: Vec<f32>,
    /// `(rows, width)`, the input of the MLP's part.
    middle: Vec<f32>,
    /// `(rows, 4 * width)`, before GELU.
    inner: Vec<f32>,
}

/// Memory of a shard's pass through any block of one width.
#[derive(Debug, Default)]
pub(crate) struct BlockWork {
    attention: AttentionWork,
    /// `(rows, width)` each: outputs of the norms, and the gradients of the two parts' outputs.
    normal1: Vec<f32>,
    normal2: Vec<f32>,
    dpart1: Vec<f32>,
    dpart2: Vec<f32>,
    /// `(rows, 4 * width)` each: GELU's output, the gradient of its input.
    activated: Vec<f32>,
    dinner: Vec<f32>,
    /// `(rows, 3 * width)`
    dqkv: Vec<f32>,
    /// `(rows, width)`, passing.
    passing: Vec<f32>,
    /// Gradients of biases and norms, as [`Block::vectors`] orders them.
    vectors: Vec<f32>,
}

impl BlockTrace {
    /// For so many rows of a width.
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

impl BlockWork {
    /// For so many rows of a width; for the forward pass alone, or both.
    pub(crate) fn resize(&mut self, rows: usize, width: usize, backward: bool) {
        let chunk = rows.min(CHUNK);
        let all = if backward { rows } else { 0 };
        for (buffer, len) in [
            (&mut self.normal1, rows * width),
            (&mut self.activated, if backward { rows } else { chunk } * MLP_RATIO * width),
            (&mut self.normal2, all * width),
            (&mut self.dpart1, all * width),
            (&mut self.dpart2, all * width),
            (&mut self.dinner, all * MLP_RATIO * width),
            (&mut self.dqkv, all * 3 * width),
            (&mut self.passing, all * width),
            (&mut self.vectors, if backward { (9 + MLP_RATIO) * width } else { 0 }),
        ] {
            buffer.resize(len, 0.0);
        }
    }
}

/// How a shard passes a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a> {
    /// How to compute.
    pub kernels: Kernels,
    /// All parameters of the model.
    pub params: &'a [f32],
    /// Tokens of an image.
    pub tokens: usize,
    /// Stochastic depth: what attention and MLP count for, for each image ([`drop_factor`](super::drop_factor)).
    pub factors: Option<[&'a [f32]; 2]>,
}

impl Block {
    /// Adds `name.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}.*` to the parameters. `heads` divides `width`.
    pub fn new(params: &mut Params, name: &str, width: usize, heads: usize) -> Self {
        let inner = MLP_RATIO * width;
        Self {
            width,
            attention: Attention { width, heads },
            norm1: LayerNorm::new(params, &format!("{name}.norm1"), width),
            qkv: Linear::new(params, &format!("{name}.attn.qkv"), width, 3 * width),
            proj: Linear::new(params, &format!("{name}.attn.proj"), width, width),
            norm2: LayerNorm::new(params, &format!("{name}.norm2"), width),
            fc1: Linear::new(params, &format!("{name}.mlp.fc1"), width, inner),
            fc2: Linear::new(params, &format!("{name}.mlp.fc2"), inner, width),
        }
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

    /// From `trace.x` to `out`, both `(rows, width)`.
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
        let normal = &mut work.normal1;
        self.norm1.forward(path, params, x, normal);
        for (normal, qkv) in normal.chunks(CHUNK * d).zip(qkv.chunks_mut(CHUNK * 3 * d)) {
            self.qkv.forward(&weights.qkv, normal, qkv);
            add_bias(path, qkv, self.qkv.bias(params));
        }
        let images = qkv.chunks_exact(tokens * 3 * d).zip(attended.chunks_exact_mut(tokens * d));
        for (qkv, attended) in images {
            self.attention.forward(kernels.in_single(), qkv, attended, &mut work.attention);
        }
        let rows = |part: usize, chunk: usize| Rows {
            first: chunk * CHUNK,
            tokens,
            factors: factors.map(|f| f[part]),
        };
        let chunks =
            attended.chunks(CHUNK * d).zip(middle.chunks_mut(CHUNK * d)).zip(x.chunks(CHUNK * d));
        for (chunk, ((attended, middle), x)) in chunks.enumerate() {
            self.proj.forward(&weights.proj, attended, middle);
            add_part(path, middle, self.proj.bias(params), x, rows(0, chunk));
        }
        self.norm2.forward(path, params, middle, normal);
        let chunks = normal.chunks(CHUNK * d).zip(inner.chunks_mut(CHUNK * MLP_RATIO * d));
        let chunks = chunks.zip(out.chunks_mut(CHUNK * d)).zip(middle.chunks(CHUNK * d));
        for (chunk, (((normal, inner), out), middle)) in chunks.enumerate() {
            let activated = &mut work.activated[..inner.len()];
            self.fc1.forward(&weights.fc1, normal, inner);
            biased_gelu(path, inner, self.fc1.bias(params), activated);
            self.fc2.forward(&weights.fc2, activated, out);
            add_part(path, out, self.fc2.bias(params), middle, rows(1, chunk));
        }
    }

    /// From the gradient of the output in `dx` to the one of the input there, both `(rows, width)`. Leaves in `work` what
    /// [`weight_gradients`](Self::weight_gradients) goes on with.
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
        let BlockTrace { x, qkv, middle, inner, .. } = trace;
        work.vectors.fill(0.0);
        let (dnorm1, rest) = work.vectors.split_at_mut(2 * d);
        let (dqkv_bias, rest) = rest.split_at_mut(3 * d);
        let (dproj_bias, rest) = rest.split_at_mut(d);
        let (dnorm2, rest) = rest.split_at_mut(2 * d);
        let (dfc1_bias, dfc2_bias) = rest.split_at_mut(MLP_RATIO * d);
        let scaled = |part: usize, from: &[f32], to: &mut [f32]| {
            let rows = Rows { first: 0, tokens, factors: factors.map(|f| f[part]) };
            scale_rows(path, from, to, d, rows);
        };

        scaled(1, dx, &mut work.dpart2);
        add_rows(path, &work.dpart2, dfc2_bias);
        let wide = CHUNK * MLP_RATIO * d;
        let chunks = work.dpart2.chunks(CHUNK * d).zip(work.dinner.chunks_mut(wide));
        let chunks = chunks.zip(work.activated.chunks_mut(wide)).zip(inner.chunks(wide));
        let chunks = chunks.zip(work.passing.chunks_mut(CHUNK * d));
        for ((((dpart, dinner), activated), inner), passing) in chunks {
            self.fc2.backward(&weights.fc2, dpart, dinner);
            gelu_backward(path, inner, activated, dinner, dfc1_bias);
            self.fc1.backward(&weights.fc1, dinner, passing);
        }
        let sums = dnorm2.split_at_mut(d).into();
        let into = NormGradients { dx, sums, again: &mut work.normal2 };
        self.norm2.backward(path, params, middle, &work.passing, into);

        scaled(0, dx, &mut work.dpart1);
        add_rows(path, &work.dpart1, dproj_bias);
        self.proj.backward(&weights.proj, &work.dpart1, &mut work.passing);
        let images = qkv.chunks_exact(tokens * 3 * d).zip(work.passing.chunks_exact(tokens * d));
        for ((qkv, g), dqkv) in images.zip(work.dqkv.chunks_exact_mut(tokens * 3 * d)) {
            self.attention.backward(kernels.in_single(), qkv, g, dqkv, &mut work.attention);
        }
        add_rows(path, &work.dqkv, dqkv_bias);
        self.qkv.backward(&weights.qkv, &work.dqkv, &mut work.passing);
        let sums = dnorm1.split_at_mut(d).into();
        let into = NormGradients { dx, sums, again: &mut work.normal1 };
        self.norm1.backward(path, params, x, &work.passing, into);
    }

    /// The slots of biases and norms in the order of [`BlockWork::vectors`].
    fn vectors(&self) -> [Slot; 8] {
        let ([weight1, bias1], [weight2, bias2]) = (self.norm1.slots(), self.norm2.slots());
        let [qkv, proj, fc1, fc2] =
            [self.qkv, self.proj, self.fc1, self.fc2].map(Linear::bias_slot);
        [weight1, bias1, qkv, proj, weight2, bias2, fc1, fc2]
    }

    /// Writes the gradients of all of the block's parameters into `gradients`, flat as the parameters: the sums over the shards
    /// behind their [`backward`](Self::backward), in their order.
    pub(crate) fn weight_gradients<'a>(
        &self,
        kernels: Kernels,
        shards: impl Iterator<Item = (&'a BlockTrace, &'a BlockWork)> + Clone + Sync + Send,
        gradients: &mut [f32],
    ) {
        let vectors = shards.clone().map(|(_, work)| &work.vectors[..]);
        sum_parts(kernels.path, &self.vectors(), vectors, gradients);
        let qkv = shards.clone().map(|(_, work)| (&work.dqkv[..], &work.normal1[..]));
        let proj = shards.clone().map(|(trace, work)| (&work.dpart1[..], &trace.attended[..]));
        let fc1 = shards.clone().map(|(_, work)| (&work.dinner[..], &work.normal2[..]));
        let fc2 = shards.map(|(_, work)| (&work.dpart2[..], &work.activated[..]));
        self.qkv.weight_gradient(kernels, qkv, self.qkv.weight_slot().of_mut(gradients));
        self.proj.weight_gradient(kernels, proj, self.proj.weight_slot().of_mut(gradients));
        self.fc1.weight_gradient(kernels, fc1, self.fc1.weight_slot().of_mut(gradients));
        self.fc2.weight_gradient(kernels, fc2, self.fc2.weight_slot().of_mut(gradients));
    }

    /// `x` `(batch, tokens, width)` to the same shape, composed.
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

/// Some rows of a shard, and what each image's count for.
#[derive(Clone, Copy)]
struct Rows<'a> {
    first: usize,
    tokens: usize,
    factors: Option<&'a [f32]>,
}

impl Rows<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
    fn factor(self, row: usize) -> f32 {
        self.factors.map_or(1.0, |factors| factors[(self.first + row) / self.tokens])
    }
}

vectorized! {
    /// `out = base + factor (out + bias)` for each row.
    fn add_part<'a>(out: &'a mut [f32], bias: &'a [f32], base: &'a [f32], rows: Rows<'a>) {
        let width = bias.len();
        let both = out.chunks_exact_mut(width).zip(base.chunks_exact(width));
        for (row, (out, base)) in both.enumerate() {
            let factor = rows.factor(row);
            for ((out, bias), base) in out.iter_mut().zip(bias).zip(base) {
                *out = base + factor * (*out + bias);
            }
        }
    }
}

vectorized! {
    /// `to = factor from` for each row.
    fn scale_rows<'a>(from: &'a [f32], to: &'a mut [f32], width: usize, rows: Rows<'a>) {
        for (row, (from, to)) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)).enumerate() {
            let factor = rows.factor(row);
            for (to, from) in to.iter_mut().zip(from) {
                *to = factor * from;
            }
        }
    }
}
