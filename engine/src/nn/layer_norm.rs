//! LayerNorm (Ba et al. 2016) over the last dimension, with MAE's epsilon of 1e-6.

use candle_core::{CpuStorage, CustomOp3, D, Device, Layout, Result, Shape, Tensor};

use super::{
    init::Init,
    op::{has_kernel, slice, tensor_like, with_slice},
    params::Params,
    simd::{sum_of, vectorized},
};

/// Added to the variance.
const EPSILON: f32 = 1e-6;

/// `(x - mean) / sqrt(variance + 1e-6) * weight + bias` for each row.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `(width,)`
    weight: Tensor,
    /// `(width,)`
    bias: Tensor,
}

impl LayerNorm {
    /// Adds `name.weight` (ones) and `name.bias` (zeros) to the parameters.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn new(params: &mut Params, name: &str, width: usize) -> Result<Self> {
        Ok(Self {
            weight: params.add(&format!("{name}.weight"), width, Init::One)?,
            bias: params.add(&format!("{name}.bias"), width, Init::Zero)?,
        })
    }

    /// `(.., width)` to the same shape.
    ///
    /// # Errors
    /// When candle cannot compute it.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias)
    }
}

/// LayerNorm of `x` `(.., width)` with `weight` and `bias` `(width,)`.
///
/// # Errors
/// When candle cannot compute it.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if has_kernel(x) {
        x.contiguous()?.apply_op3(weight, bias, LayerNormOp)
    } else {
        layer_norm_composed(x, weight, bias)
    }
}

/// The same from candle's differentiable operations: for other number types and devices, and to test against.
///
/// # Errors
/// When candle cannot compute it.
pub fn layer_norm_composed(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normal = centred.broadcast_div(&(variance + f64::from(EPSILON))?.sqrt()?)?;
    normal.broadcast_mul(weight)?.broadcast_add(bias)
}

struct LayerNormOp;

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = slice(x, x_layout)?;
        let mut out = vec![0.0; x.len()];
        forward(x, slice(weight, weight_layout)?, slice(bias, bias_layout)?, &mut out);
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let width = weight.elem_count();
        let mut dx = vec![0.0; x.elem_count()];
        let mut dweight = vec![0.0; width];
        let mut dbias = vec![0.0; width];
        with_slice(x, |x| {
            with_slice(weight, |weight| {
                with_slice(&gradient, |gradient| {
                    backward(x, weight, gradient, &mut dx, &mut dweight, &mut dbias);
                })
            })
        })???;
        let vector = |data| Tensor::from_vec(data, width, &Device::Cpu).map(Some);
        Ok((Some(tensor_like(dx, x)?), vector(dweight)?, vector(dbias)?))
    }
}

/// Mean and reciprocal deviation of a row.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let width = row.len() as f32;
    let mean = sum_of(row.len(), |i| row[i]) / width;
    let variance = sum_of(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / width;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

vectorized! {
    /// Rows of `x` to rows of `out`.
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
    /// With `h = (x - mean) / deviation` and `g = gradient * weight`:
    /// `dx = (g - mean(g) - h mean(g h)) / deviation`, `dweight = sum(gradient h)`, `dbias = sum(gradient)`.
    fn backward<'a>(
        x: &'a [f32],
        weight: &'a [f32],
        gradient: &'a [f32],
        dx: &'a mut [f32],
        dweight: &'a mut [f32],
        dbias: &'a mut [f32],
    ) {
        let width = weight.len();
        let (dweight, dbias) = (&mut dweight[..width], &mut dbias[..width]);
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width));
        for ((row, gradient), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, scale) = moments(row);
            let mean_g = sum_of(width, |i| gradient[i] * weight[i]) / width as f32;
            let mean_gh =
                sum_of(width, |i| gradient[i] * weight[i] * (row[i] - mean)) * scale / width as f32;
            for i in 0..width {
                let h = (row[i] - mean) * scale;
                dx[i] = scale * (gradient[i] * weight[i] - mean_g - h * mean_gh);
                dweight[i] += gradient[i] * h;
                dbias[i] += gradient[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{assert_same, random};

    #[test]
    fn a_row_by_hand() {
        let cpu = Device::Cpu;
        let x = Tensor::new(&[[1.0f32, 2.0, 3.0, 6.0]], &cpu).unwrap();
        let weight = Tensor::new(&[1.0f32, 1.0, 2.0, 1.0], &cpu).unwrap();
        let bias = Tensor::new(&[0.0f32, 0.0, 1.0, 0.0], &cpu).unwrap();
        // mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5
        let y = layer_norm(&x, &weight, &bias).unwrap().to_vec2::<f32>().unwrap();
        for (got, want) in y[0].iter().zip([-1.069_045, -0.534_522, 1.0, 1.603_567]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn the_kernel_agrees_with_the_composed_operation() {
        for (rows, width) in [(1, 4), (3, 16), (7, 33), (5, 192)] {
            let inputs = [
                random(vec![rows, 2, width], 3.0, 1),
                random(vec![width], 1.0, 2),
                random(vec![width], 1.0, 3),
            ];
            assert_same(
                &inputs,
                |x| layer_norm(&x[0], &x[1], &x[2]),
                |x| layer_norm_composed(&x[0], &x[1], &x[2]),
                2e-5,
            );
        }
    }
}
