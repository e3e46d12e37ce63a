//! Multi-head self-attention (Vaswani et al. 2017), between its two linear layers.

use candle_core::{D, Result, Tensor};
use kernel::{
    Kernels, Matrix, MatrixMut, Packed,
    vector::{exp, largest, sum_of},
    vectorized,
};

/// The sizes of an attention. A token's row of `qkv` holds all heads' q, then k, then v: `3 * width` numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    /// Numbers per token.
    pub width: usize,
    /// Number of heads; divides the width.
    pub heads: usize,
}

/// Memory of one thread's attention.
#[derive(Debug, Default)]
pub(crate) struct AttentionWork {
    /// Weights of a head, `(tokens, tokens)`.
    weights: Vec<f32>,
    /// Their gradient.
    gradient: Vec<f32>,
    packed: Packed,
}

impl AttentionWork {
    fn sized(&mut self, tokens: usize) {
        self.weights.resize(tokens * tokens, 0.0);
        self.gradient.resize(tokens * tokens, 0.0);
    }
}

impl Attention {
    /// Width of a head.
    fn part(self) -> usize {
        self.width / self.heads
    }

    fn scale(self) -> f32 {
        1.0 / (self.part() as f32).sqrt()
    }

    /// q (0), k (1) or v (2) of a head as `(tokens, part)`, in place within one image's `(tokens, 3 * width)`.
    fn view(self, image: &[f32], which: usize, head: usize) -> Matrix<'_> {
        let at = which * self.width + head * self.part();
        let tokens = image.len() / (3 * self.width);
        Matrix::strided(&image[at..], tokens, self.part(), 3 * self.width)
    }

    fn view_mut(self, image: &mut [f32], which: usize, head: usize) -> MatrixMut<'_> {
        let at = which * self.width + head * self.part();
        let tokens = image.len() / (3 * self.width);
        MatrixMut::strided(&mut image[at..], tokens, self.part(), 3 * self.width)
    }

    /// The attention weights of a head: `softmax(q k^T / sqrt(part))`.
    fn weights(self, kernels: Kernels, image: &[f32], head: usize, work: &mut AttentionWork) {
        let tokens = image.len() / (3 * self.width);
        let AttentionWork { weights, packed, .. } = work;
        packed.pack(kernels, self.view(image, 1, head).transposed());
        MatrixMut::new(weights, tokens, tokens).set_product(self.view(image, 0, head), packed);
        softmax_rows(kernels.path, weights, tokens, self.scale());
    }

    /// The attention weights of a head of one image's `qkv`, `(tokens, tokens)`.
    pub(super) fn weights_of<'a>(
        self,
        kernels: Kernels,
        qkv: &[f32],
        head: usize,
        work: &'a mut AttentionWork,
    ) -> &'a [f32] {
        work.sized(qkv.len() / (3 * self.width));
        self.weights(kernels, qkv, head, work);
        &work.weights
    }

    /// Maps one image's `qkv` `(tokens, 3 * width)` to `out` `(tokens, width)`: each head's weighted values.
    pub(crate) fn forward(
        self,
        kernels: Kernels,
        qkv: &[f32],
        out: &mut [f32],
        work: &mut AttentionWork,
    ) {
        let tokens = qkv.len() / (3 * self.width);
        work.sized(tokens);
        for head in 0..self.heads {
            self.weights(kernels, qkv, head, work);
            work.packed.pack(kernels, self.view(qkv, 2, head));
            MatrixMut::strided(&mut out[head * self.part()..], tokens, self.part(), self.width)
                .set_product(Matrix::new(&work.weights, tokens, tokens), &work.packed);
        }
    }

    /// The gradient of one image's `qkv` from that of `out`. Recomputes the weights `p`, which takes less time than storing
    /// them. With `g` the gradient of the output: `dv = p^T g`, `dp = g v^T`, `ds = p (dp - sum(dp p)) * scale`,
    /// `dq = ds k`, `dk = ds^T q`.
    pub(crate) fn backward(
        self,
        kernels: Kernels,
        qkv: &[f32],
        g: &[f32],
        dqkv: &mut [f32],
        work: &mut AttentionWork,
    ) {
        let tokens = qkv.len() / (3 * self.width);
        work.sized(tokens);
        for head in 0..self.heads {
            let g = Matrix::strided(&g[head * self.part()..], tokens, self.part(), self.width);
            let [q, k, v] = [0, 1, 2].map(|which| self.view(qkv, which, head));
            self.weights(kernels, qkv, head, work);
            let AttentionWork { weights, gradient, packed } = work;
            packed.pack(kernels, v.transposed());
            MatrixMut::new(gradient, tokens, tokens).set_product(g, packed);
            packed.pack(kernels, g);
            let p = Matrix::new(weights, tokens, tokens).transposed();
            self.view_mut(dqkv, 2, head).set_product(p, packed);
            softmax_rows_backward(kernels.path, weights, gradient, tokens, self.scale());
            let ds = Matrix::new(gradient, tokens, tokens);
            packed.pack(kernels, k);
            self.view_mut(dqkv, 0, head).set_product(ds, packed);
            packed.pack(kernels, q);
            self.view_mut(dqkv, 1, head).set_product(ds.transposed(), packed);
        }
    }

    /// `qkv` `(batch, tokens, 3 * width)` to `(batch, tokens, width)`, composed.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn composed(self, qkv: &Tensor) -> Result<Tensor> {
        let (batch, tokens, _) = qkv.dims3()?;
        let v = self.split_composed(qkv)?.get(2)?;
        let weights = self.composed_weights(qkv)?;
        weights.matmul(&v.contiguous()?)?.transpose(1, 2)?.reshape((batch, tokens, self.width))
    }

    /// q, k and v of `qkv`, `(3, batch, heads, tokens, part)`.
    fn split_composed(self, qkv: &Tensor) -> Result<Tensor> {
        let (batch, tokens, _) = qkv.dims3()?;
        qkv.reshape((batch, tokens, 3, self.heads, self.part()))?.permute((2, 0, 3, 1, 4))
    }

    /// The attention weights of every head, `(batch, heads, tokens, tokens)`, composed.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub(crate) fn composed_weights(self, qkv: &Tensor) -> Result<Tensor> {
        let (qkv, part) = (self.split_composed(qkv)?, self.part());
        let (q, k) = (qkv.get(0)?, qkv.get(1)?);
        let scores = q.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)?;
        let scores = (scores / (part as f64).sqrt())?;
        let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)
    }
}

vectorized! {
    /// `softmax(scale * row)` of every row of `width` values.
    fn softmax_rows<'a>(values: &'a mut [f32], width: usize, scale: f32) {
        for row in values.chunks_exact_mut(width) {
            let max = largest(row);
            for value in row.iter_mut() {
                *value = exp::<FUSED>((*value - max) * scale);
            }
            let normal = 1.0 / sum_of([row], |[weight]| weight);
            for value in row.iter_mut() {
                *value *= normal;
            }
        }
    }
}

vectorized! {
    /// Turns the gradient of the weights `p` into that of the scores, in place: `ds = p (dp - sum(dp p)) * scale`.
    fn softmax_rows_backward<'a>(p: &'a [f32], ds: &'a mut [f32], width: usize, scale: f32) {
        for (p, ds) in p.chunks_exact(width).zip(ds.chunks_exact_mut(width)) {
            let shared = sum_of([p, ds], |[p, ds]| p * ds);
            for (ds, p) in ds.iter_mut().zip(p) {
                *ds = p * (*ds - shared) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::cpu::nn::testing::{Compared, all_kernels, numbers, params, single};
    use candle_core::DType;

    #[test]
    fn two_tokens_by_hand() {
        // One head of width 1: q = k = (0, 1), v = (2, 4). Scores of token 1: (0, 1), weights 1 / (1 + e), e / (1 + e).
        let qkv = [0.0, 0.0, 2.0, 1.0, 1.0, 4.0];
        let mut out = [0.0; 2];
        let attention = Attention { width: 1, heads: 1 };
        attention.forward(single(), &qkv, &mut out, &mut AttentionWork::default());
        assert!((out[0] - 3.0).abs() < 1e-6 && (out[1] - 3.462_117).abs() < 1e-5, "{out:?}");
    }

    #[test]
    fn it_agrees_with_the_composed_attention() {
        for (batch, tokens, heads, part) in
            [(1, 1, 1, 4), (2, 5, 3, 8), (3, 17, 2, 64), (1, 50, 1, 13)]
        {
            let width = heads * part;
            let attention = Attention { width, heads };
            let (qkv, dy) = (
                numbers(batch * tokens * 3 * width, 1.0, 7),
                numbers(batch * tokens * width, 1.0, 8),
            );
            let shape = [batch, tokens, 3 * width];
            let oracle =
                Compared::new(&params(1, |_| ()), &[(&qkv, &shape)], &dy, DType::F64, |_, x| {
                    attention.composed(&x[0])
                });
            for kernels in all_kernels() {
                let (mut out, mut dqkv) = (dy.clone(), qkv.clone());
                let work = &mut AttentionWork::default();
                let images =
                    qkv.chunks_exact(tokens * 3 * width).zip(dy.chunks_exact(tokens * width));
                let outs = out
                    .chunks_exact_mut(tokens * width)
                    .zip(dqkv.chunks_exact_mut(tokens * 3 * width));
                for ((qkv, g), (out, dqkv)) in images.zip(outs) {
                    attention.forward(kernels, qkv, out, work);
                    attention.backward(kernels, qkv, g, dqkv, work);
                }
                oracle.assert_same(kernels, &out, &[&dqkv], &[]);
            }
        }
    }
}
