//! GELU with the exact normal distribution (Hendrycks and Gimpel 2016): `x * Phi(x)`.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{
    op::{has_kernel, slice, tensor_like, with_slice},
    simd::{gauss, vectorized},
};

/// GELU of every element, any shape.
///
/// # Errors
/// When candle cannot compute it.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if has_kernel(x) { x.contiguous()?.apply_op1(Gelu) } else { gelu_composed(x) }
}

/// The same from candle's differentiable operations: for other number types and devices, and to test [`gelu`] against.
///
/// # Errors
/// When candle cannot compute it.
pub fn gelu_composed(x: &Tensor) -> Result<Tensor> {
    let distribution = (((x / 2f64.sqrt())?.erf()? + 1.0)? * 0.5)?;
    x * distribution
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = slice(storage, layout)?.to_vec();
        forward(&mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        let mut dx = with_slice(&gradient, <[f32]>::to_vec)?;
        with_slice(x, |x| backward(x, &mut dx))?;
        tensor_like(dx, x).map(Some)
    }
}

vectorized! {
    /// Replaces each value by its GELU.
    fn forward<'a>(values: &'a mut [f32]) {
        for value in values {
            *value *= gauss(*value).0;
        }
    }
}

vectorized! {
    /// Multiplies each gradient by `Phi(x) + x phi(x)`.
    fn backward<'a>(x: &'a [f32], gradient: &'a mut [f32]) {
        for (gradient, &x) in gradient.iter_mut().zip(x) {
            let (distribution, density) = gauss(x);
            *gradient *= distribution + x * density;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{assert_same, random};

    #[test]
    fn known_values() {
        let x = Tensor::new(&[-1.0f32, 0.0, 1.0, 3.0], &candle_core::Device::Cpu).unwrap();
        let y = gelu(&x).unwrap().to_vec1::<f32>().unwrap();
        for (got, want) in y.iter().zip([-0.158_655, 0.0, 0.841_345, 2.995_95]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn the_kernel_agrees_with_the_composed_operation() {
        for shape in [vec![1], vec![3, 5], vec![2, 7, 33]] {
            assert_same(&[random(shape, 2.0, 1)], |x| gelu(&x[0]), |x| gelu_composed(&x[0]), 1e-5);
        }
    }
}
