//! Linear layer: `y = x W^T + b`.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};

use super::{
    init::Init,
    matrix::{Matrix, MatrixMut},
    op::{has_kernel, slice, tensor_like, with_slice},
    params::Params,
    simd::vectorized,
};

/// A linear layer.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `(outputs, inputs)`
    weight: Tensor,
    /// `(outputs,)`
    bias: Tensor,
}

impl Linear {
    /// Adds `name.weight` (Xavier, uniform) and `name.bias` (zeros) to the parameters.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn new(params: &mut Params, name: &str, inputs: usize, outputs: usize) -> Result<Self> {
        Self::with(params, name, inputs, outputs, (Init::Xavier { inputs, outputs }, Init::Zero))
    }

    /// As [`new`](Self::new), with these initial weights and this initial bias.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn with(
        params: &mut Params,
        name: &str,
        inputs: usize,
        outputs: usize,
        (weight, bias): (Init, Init),
    ) -> Result<Self> {
        Ok(Self {
            weight: params.add(&format!("{name}.weight"), (outputs, inputs), weight)?,
            bias: params.add(&format!("{name}.bias"), outputs, bias)?,
        })
    }

    /// `(.., inputs)` to `(.., outputs)`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight, &self.bias)
    }
}

/// `x W^T + b` for `x` `(.., inputs)`, `weight` `(outputs, inputs)`, `bias` `(outputs,)`.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if has_kernel(x) {
        x.contiguous()?.apply_op3(weight, bias, LinearOp)
    } else {
        linear_composed(x, weight, bias)
    }
}

/// The same from candle's differentiable operations: for other number types and devices, and to test against.
///
/// # Errors
/// When the shapes do not fit.
pub fn linear_composed(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let (outputs, inputs) = weight.dims2()?;
    let rows = x.reshape(((), inputs))?;
    rows.matmul(&weight.t()?)?.broadcast_add(bias)?.reshape(with_last(x.dims(), outputs))
}

fn with_last(dims: &[usize], last: usize) -> Shape {
    let mut dims = dims.to_vec();
    if let Some(width) = dims.last_mut() {
        *width = last;
    }
    dims.into()
}

struct LinearOp;

impl CustomOp3 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
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
        let (outputs, inputs) = weight_layout.shape().dims2()?;
        if x_layout.dims().last() != Some(&inputs) {
            candle_core::bail!("a linear layer of {inputs} inputs got {:?}", x_layout.dims());
        }
        let x = slice(x, x_layout)?;
        let rows = x.len() / inputs;
        let mut out = slice(bias, bias_layout)?.repeat(rows);
        MatrixMut::new(&mut out, rows, outputs).add_product(
            Matrix::new(x, rows, inputs),
            Matrix::new(slice(weight, weight_layout)?, outputs, inputs).transposed(),
        );
        Ok((CpuStorage::F32(out), with_last(x_layout.dims(), outputs)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (outputs, inputs) = weight.dims2()?;
        let rows = x.elem_count() / inputs;
        let dx = if x.track_op() {
            let mut dx = vec![0.0; rows * inputs];
            with_slice(&gradient, |gradient| {
                with_slice(weight, |weight| {
                    MatrixMut::new(&mut dx, rows, inputs).set_product(
                        Matrix::new(gradient, rows, outputs),
                        Matrix::new(weight, outputs, inputs),
                    );
                })
            })??;
            Some(tensor_like(dx, x)?)
        } else {
            None // pixels: nothing upstream learns
        };
        let mut dweight = vec![0.0; outputs * inputs];
        let mut dbias = vec![0.0; outputs];
        with_slice(&gradient, |gradient| {
            column_sums(gradient, &mut dbias);
            with_slice(x, |x| {
                MatrixMut::new(&mut dweight, outputs, inputs).set_product(
                    Matrix::new(gradient, rows, outputs).transposed(),
                    Matrix::new(x, rows, inputs),
                );
            })
        })??;
        let dbias = Tensor::from_vec(dbias, bias.shape(), &Device::Cpu)?;
        Ok((dx, Some(tensor_like(dweight, weight)?), Some(dbias)))
    }
}

vectorized! {
    /// Adds all rows of `values` to `sums`, whose length is a row's.
    pub(super) fn column_sums<'a>(values: &'a [f32], sums: &'a mut [f32]) {
        for row in values.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{assert_same, random};

    #[test]
    fn a_product_by_hand() {
        let cpu = Device::Cpu;
        let x = Tensor::new(&[[1.0f32, 2.0]], &cpu).unwrap();
        let weight = Tensor::new(&[[3.0f32, 4.0], [5.0, 6.0], [7.0, 8.0]], &cpu).unwrap();
        let bias = Tensor::new(&[0.5f32, 0.0, -1.0], &cpu).unwrap();
        let y = linear(&x, &weight, &bias).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(y, [[11.5, 17.0, 22.0]]);
    }

    #[test]
    fn the_kernel_agrees_with_the_composed_operation() {
        for (rows, inputs, outputs) in [(1, 1, 1), (5, 7, 3), (33, 48, 20)] {
            let inputs = [
                random(vec![rows, 2, inputs], 1.0, 1),
                random(vec![outputs, inputs], 1.0, 2),
                random(vec![outputs], 1.0, 3),
            ];
            assert_same(
                &inputs,
                |x| linear(&x[0], &x[1], &x[2]),
                |x| linear_composed(&x[0], &x[1], &x[2]),
                2e-5,
            );
        }
    }

    #[test]
    fn a_wrong_width_is_an_error() {
        let x = random(vec![2, 3], 1.0, 1);
        let error = linear(&x, &random(vec![4, 5], 1.0, 2), &random(vec![4], 1.0, 3));
        assert!(error.unwrap_err().to_string().contains("5 inputs"));
    }
}
