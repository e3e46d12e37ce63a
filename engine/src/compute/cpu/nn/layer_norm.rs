//! LayerNorm (Ba et al. 2016) over the last dimension, with MAE's epsilon of 1e-6.

use candle_core::{D, Result, Tensor};
use kernel::{Path, vector::sum_of, vectorized};

use super::composed::Composed;
use crate::model::{Layout, Slot};

/// Added to the variance.
const EPSILON: f32 = 1e-6;

/// `(x - mean) / sqrt(variance + 1e-6) * weight + bias` for each row.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// `(width,)`
    weight: Slot,
    /// `(width,)`
    bias: Slot,
}

impl LayerNorm {
    /// The norm of `name.weight` and `name.bias`. Panics if the model has no such norm.
    pub fn of(layout: &Layout, name: &str) -> Self {
        Self {
            weight: layout.tensor(&format!("{name}.weight")).slot,
            bias: layout.tensor(&format!("{name}.bias")).slot,
        }
    }

    /// The slots of weight and bias.
    pub(crate) fn slots(self) -> [Slot; 2] {
        [self.weight, self.bias]
    }

    /// Maps rows of `x` to rows of `out`.
    pub(crate) fn forward(self, path: Path, params: &[f32], x: &[f32], out: &mut [f32]) {
        forward(path, x, self.weight.of(params), self.bias.of(params), out);
    }

    /// The gradients of `x` `(rows, width)` and of weight and bias from that of the output.
    pub(crate) fn backward(
        self,
        path: Path,
        params: &[f32],
        x: &[f32],
        dy: &[f32],
        into: NormGradients<'_>,
    ) {
        backward(path, x, [self.weight.of(params), self.bias.of(params)], dy, into);
    }

    /// Maps `(.., width)` to the same shape, composed.
    ///
    /// # Errors
    /// When candle cannot compute it.
    pub fn composed(self, w: &Composed, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normal = centred.broadcast_div(&(variance + f64::from(EPSILON))?.sqrt()?)?;
        normal.broadcast_mul(w.tensor(self.weight))?.broadcast_add(w.tensor(self.bias))
    }
}

/// Where the gradients of a norm go.
pub(crate) struct NormGradients<'a> {
    /// The gradient of the input is added here.
    pub dx: &'a mut [f32],
    /// The gradients of weight and bias are added here.
    pub sums: [&'a mut [f32]; 2],
    /// If this is not empty, the norm's recomputed output is written here.
    pub again: &'a mut [f32],
}

/// Mean and reciprocal standard deviation of a row.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = sum_of([row], |[x]| x) / width;
    let variance = sum_of([row], |[x]| (x - mean) * (x - mean)) / width;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

vectorized! {
    /// Maps rows of `x` to rows of `out`.
    fn forward<'a>(x: &'a [f32], weight: &'a [f32], bias: &'a [f32], out: &'a mut [f32]) {
        let width = weight.len();
        let bias = &bias[..width];
        for (row, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            let (mean, scale) = moments(row);
            for i in 0..width {
                out[i] = (row[i] - mean) * scale * weight[i] + bias[i];
            }
        }
    }
}

vectorized! {
    /// With `h = (x - mean) / deviation` and `g = dy * weight`:
    /// `dx += (g - mean(g) - h mean(g h)) / deviation`, `dweight += sum(dy h)`, `dbias += sum(dy)`.
    fn backward<'a>(
        x: &'a [f32],
        affine: [&'a [f32]; 2],
        dy: &'a [f32],
        into: NormGradients<'a>,
    ) {
        let NormGradients { dx, sums: [dweight, dbias], again } = into;
        let [weight, bias] = affine;
        let width = weight.len();
        let (dweight, dbias, bias) = (&mut dweight[..width], &mut dbias[..width], &bias[..width]);
        let mut again = again.chunks_exact_mut(width);
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((row, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, scale) = moments(row);
            let mean_g = sum_of([dy, weight], |[dy, weight]| dy * weight) / width as f32;
            let sum = sum_of([dy, weight, row], |[dy, weight, x]| dy * weight * (x - mean));
            let mean_gh = sum * scale / width as f32;
            for i in 0..width {
                let h = (row[i] - mean) * scale;
                dx[i] += scale * (dy[i] * weight[i] - mean_g - h * mean_gh);
                dweight[i] += dy[i] * h;
                dbias[i] += dy[i];
            }
            if let Some(out) = again.next() {
                for i in 0..width {
                    out[i] = (row[i] - mean) * scale * weight[i] + bias[i];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use kernel::{Kernels, Precision};

    use super::*;
    use crate::compute::cpu::nn::testing::{Compared, numbers, params};

    #[test]
    fn a_row_by_hand() {
        let mut params = params(1, |layout| layout.add_norm("n", 4));
        let norm = LayerNorm::of(params.layout(), "n");
        params.set("n.weight", &[1.0, 1.0, 2.0, 1.0]).unwrap();
        params.set("n.bias", &[0.0, 0.0, 1.0, 0.0]).unwrap();
        let mut y = [0.0; 4];
        // mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5
        norm.forward(Path::Portable, params.values(), &[1.0, 2.0, 3.0, 6.0], &mut y);
        for (got, want) in y.iter().zip([-1.069_045, -0.534_522, 1.0, 1.603_567]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn it_agrees_with_the_composed_layer() {
        for (rows, width) in [(1, 4), (3, 16), (14, 33), (10, 192)] {
            let mut params = params(1, |layout| layout.add_norm("n", width));
            let norm = LayerNorm::of(params.layout(), "n");
            params.set("n.weight", &numbers(width, 1.0, 2)).unwrap();
            params.set("n.bias", &numbers(width, 1.0, 3)).unwrap();
            let (x, dy) = (numbers(rows * width, 3.0, 1), numbers(rows * width, 1.0, 4));
            let oracle =
                Compared::new(&params, &[(&x, &[rows, width])], &dy, DType::F64, |w, x| {
                    norm.composed(w, &x[0])
                });
            for path in Path::here() {
                let (mut y, mut dx, mut again) = (x.clone(), vec![0.0; x.len()], x.clone());
                let mut gradient = vec![0.0; 2 * width];
                norm.forward(path, params.values(), &x, &mut y);
                let (dweight, dbias) = gradient.split_at_mut(width);
                let into = NormGradients { dx: &mut dx, sums: [dweight, dbias], again: &mut again };
                norm.backward(path, params.values(), &x, &dy, into);
                assert_eq!(y, again);
                let kernels = Kernels { path, precision: Precision::F32 };
                oracle.assert_same(kernels, &y, &[&dx], &gradient);
            }
        }
    }
}
