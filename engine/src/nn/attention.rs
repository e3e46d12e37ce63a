//! Multi-head self-attention (Vaswani et al. 2017).

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

use super::{
    linear::Linear,
    matrix::{Matrix, MatrixMut},
    op::{has_kernel, slice, tensor_like, with_slice},
    params::Params,
    simd::{exp, largest, sum_of, vectorized},
};

/// Self-attention with its two linear layers.
#[derive(Clone, Debug)]
pub struct Attention {
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

impl Attention {
    /// Adds `name.qkv.*` and `name.proj.*` to the parameters. `heads` divides `width`.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn new(params: &mut Params, name: &str, width: usize, heads: usize) -> Result<Self> {
        Ok(Self {
            qkv: Linear::new(params, &format!("{name}.qkv"), width, 3 * width)?,
            proj: Linear::new(params, &format!("{name}.proj"), width, width)?,
            heads,
        })
    }

    /// `(batch, tokens, width)` to the same shape.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.proj.forward(&attend(&self.qkv.forward(x)?, self.heads)?)
    }
}

/// `softmax(q k^T / sqrt(width / heads)) v` for each head. `qkv` is `(batch, tokens, 3 * width)`: for each token all heads'
/// q, then k, then v. The result is `(batch, tokens, width)`.
///
/// # Errors
/// When the shapes do not fit.
pub fn attend(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    if has_kernel(qkv) {
        qkv.contiguous()?.apply_op1(AttentionOp { heads })
    } else {
        attend_composed(qkv, heads)
    }
}

/// The same from candle's differentiable operations: for other number types and devices, and to test against.
///
/// # Errors
/// When the shapes do not fit.
pub fn attend_composed(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = qkv.dims3()?;
    let (width, part) = (width / 3, width / 3 / heads);
    // (3, batch, heads, tokens, part)
    let qkv = qkv.reshape((batch, tokens, 3, heads, part))?.permute((2, 0, 3, 1, 4))?;
    let (q, k, v) = (qkv.get(0)?, qkv.get(1)?, qkv.get(2)?);
    let scores = q.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)?;
    let scores = (scores / (part as f64).sqrt())?;
    let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let weights = shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?;
    weights.matmul(&v.contiguous()?)?.transpose(1, 2)?.reshape((batch, tokens, width))
}

struct AttentionOp {
    heads: usize,
}

/// The sizes of one call.
#[derive(Clone, Copy)]
struct Sizes {
    tokens: usize,
    width: usize,
    heads: usize,
}

impl Sizes {
    fn of(dims: &[usize], heads: usize) -> Result<Self> {
        match *dims {
            [_, tokens, triple] if heads > 0 && triple % (3 * heads) == 0 => {
                Ok(Self { tokens, width: triple / 3, heads })
            }
            _ => candle_core::bail!("attention of {heads} heads got q, k, v of {dims:?}"),
        }
    }

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
        Matrix::strided(&image[at..], self.tokens, self.part(), 3 * self.width)
    }

    fn view_mut(self, image: &mut [f32], which: usize, head: usize) -> MatrixMut<'_> {
        let at = which * self.width + head * self.part();
        MatrixMut::strided(&mut image[at..], self.tokens, self.part(), 3 * self.width)
    }

    /// The attention weights of a head, `(tokens, tokens)`.
    fn weights(self, image: &[f32], head: usize, weights: &mut [f32]) {
        MatrixMut::new(weights, self.tokens, self.tokens)
            .set_product(self.view(image, 0, head), self.view(image, 1, head).transposed());
        softmax_rows(weights, self.tokens, self.scale());
    }
}

impl CustomOp1 for AttentionOp {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let sizes = Sizes::of(layout.dims(), self.heads)?;
        let Sizes { tokens, width, heads } = sizes;
        let qkv = slice(storage, layout)?;
        let mut out = vec![0.0; qkv.len() / 3];
        let mut weights = vec![0.0; tokens * tokens];
        let images = qkv.chunks_exact(tokens * 3 * width);
        for (image, out) in images.zip(out.chunks_exact_mut(tokens * width)) {
            for head in 0..heads {
                sizes.weights(image, head, &mut weights);
                let out = &mut out[head * sizes.part()..];
                MatrixMut::strided(out, tokens, sizes.part(), width)
                    .set_product(Matrix::new(&weights, tokens, tokens), sizes.view(image, 2, head));
            }
        }
        let shape = (layout.dims()[0], tokens, width);
        Ok((CpuStorage::F32(out), shape.into()))
    }

    /// Computes the weights `p` again: that takes less time than to keep them. With `g` the gradient of the output:
    /// `dv = p^T g`, `dp = g v^T`, `ds = p (dp - sum(dp p)) * scale`, `dq = ds k`, `dk = ds^T q`.
    fn bwd(&self, qkv: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let sizes = Sizes::of(qkv.dims(), self.heads)?;
        let Sizes { tokens, width, heads } = sizes;
        let gradient = gradient.contiguous()?;
        let mut dqkv = vec![0.0; qkv.elem_count()];
        let mut p = vec![0.0; tokens * tokens];
        let mut ds = vec![0.0; tokens * tokens];
        with_slice(qkv, |qkv| {
            with_slice(&gradient, |gradient| {
                let images = qkv
                    .chunks_exact(tokens * 3 * width)
                    .zip(gradient.chunks_exact(tokens * width))
                    .zip(dqkv.chunks_exact_mut(tokens * 3 * width));
                for ((image, gradient), dimage) in images {
                    for head in 0..heads {
                        let g = &gradient[head * sizes.part()..];
                        let g = Matrix::strided(g, tokens, sizes.part(), width);
                        let [q, k, v] = [0, 1, 2].map(|which| sizes.view(image, which, head));
                        sizes.weights(image, head, &mut p);
                        let weights = Matrix::new(&p, tokens, tokens);
                        let dv = sizes.view_mut(dimage, 2, head);
                        dv.set_product(weights.transposed(), g);
                        let dp = MatrixMut::new(&mut ds, tokens, tokens);
                        dp.set_product(g, v.transposed());
                        softmax_rows_backward(&p, &mut ds, tokens, sizes.scale());
                        let ds = Matrix::new(&ds, tokens, tokens);
                        sizes.view_mut(dimage, 0, head).set_product(ds, k);
                        let dk = sizes.view_mut(dimage, 1, head);
                        dk.set_product(ds.transposed(), q);
                    }
                }
            })
        })??;
        tensor_like(dqkv, qkv).map(Some)
    }
}

vectorized! {
    /// `softmax(scale * row)` of every row of `width` values.
    fn softmax_rows<'a>(values: &'a mut [f32], width: usize, scale: f32) {
        for row in values.chunks_exact_mut(width) {
            let max = largest(row);
            for value in row.iter_mut() {
                *value = exp((*value - max) * scale);
            }
            let normal = 1.0 / sum_of(width, |i| row[i]);
            for value in row.iter_mut() {
                *value *= normal;
            }
        }
    }
}

vectorized! {
    /// From the gradient of the weights `p` to the one of the scores: `ds = p (dp - sum(dp p)) * scale`, in place.
    fn softmax_rows_backward<'a>(p: &'a [f32], ds: &'a mut [f32], width: usize, scale: f32) {
        for (p, ds) in p.chunks_exact(width).zip(ds.chunks_exact_mut(width)) {
            let shared = sum_of(width, |i| p[i] * ds[i]);
            for (ds, p) in ds.iter_mut().zip(p) {
                *ds = p * (*ds - shared) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{assert_same, random};

    #[test]
    fn two_tokens_by_hand() {
        // One head of width 1: q = k = (0, 1), v = (2, 4). Scores of token 1: (0, 1), weights 1 / (1 + e), e / (1 + e).
        let qkv = [[[0.0f32, 0.0, 2.0], [1.0, 1.0, 4.0]]];
        let qkv = Tensor::new(&qkv, &candle_core::Device::Cpu).unwrap();
        let out = attend(&qkv, 1).unwrap().to_vec3::<f32>().unwrap();
        assert!((out[0][0][0] - 3.0).abs() < 1e-6);
        assert!((out[0][1][0] - 3.462_117).abs() < 1e-5);
    }

    #[test]
    fn the_kernel_agrees_with_the_composed_operation() {
        for (batch, tokens, heads, part) in [(1, 1, 1, 4), (2, 5, 3, 8), (3, 17, 2, 64)] {
            let qkv = random(vec![batch, tokens, 3 * heads * part], 1.0, 7);
            assert_same(&[qkv], |x| attend(&x[0], heads), |x| attend_composed(&x[0], heads), 2e-5);
        }
    }
}
