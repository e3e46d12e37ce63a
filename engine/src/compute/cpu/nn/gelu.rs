//! GELU with the exact normal distribution (Hendrycks and Gimpel 2016): `x * Phi(x)`.

use candle_core::{Result, Tensor};
use kernel::{vector::gauss, vectorized};

/// GELU of every element, any shape, composed.
///
/// # Errors
/// When candle cannot compute it.
pub fn gelu_composed(x: &Tensor) -> Result<Tensor> {
    let distribution = (((x / 2f64.sqrt())?.erf()? + 1.0)? * 0.5)?;
    x * distribution
}

vectorized! {
    /// Adds `bias` to each row of `x` and writes its GELU to `out`.
    pub(crate) fn biased_gelu<'a>(x: &'a mut [f32], bias: &'a [f32], out: &'a mut [f32]) {
        let width = bias.len();
        for (row, out) in x.chunks_exact_mut(width).zip(out.chunks_exact_mut(width)) {
            for ((value, bias), out) in row.iter_mut().zip(bias).zip(out) {
                *value += bias;
                *out = *value * gauss::<FUSED>(*value).0;
            }
        }
    }
}

vectorized! {
    /// Writes GELU of `x` to `out`, multiplies `gradient` by its derivative `Phi(x) + x phi(x)`, and adds the rows of the result to
    /// `sums`.
    pub(crate) fn gelu_backward<'a>(
        x: &'a [f32],
        out: &'a mut [f32],
        gradient: &'a mut [f32],
        sums: &'a mut [f32],
    ) {
        let width = sums.len();
        let rows = x.chunks_exact(width).zip(out.chunks_exact_mut(width));
        for ((x, out), gradient) in rows.zip(gradient.chunks_exact_mut(width)) {
            let places = x.iter().zip(out).zip(gradient.iter_mut()).zip(sums.iter_mut());
            for (((&x, out), gradient), sum) in places {
                let (distribution, density) = gauss::<FUSED>(x);
                *out = x * distribution;
                *gradient *= distribution + x * density;
                *sum += *gradient;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use kernel::{Kernels, Path, Precision};

    use super::*;
    use crate::compute::cpu::nn::testing::{Compared, numbers, params};

    #[test]
    #[expect(clippy::float_cmp, reason = "these numbers are exact")]
    fn values_by_hand() {
        let (mut x, mut out) = ([0.0, 0.5, -4.0], [0.0; 3]);
        biased_gelu(Path::Portable, &mut x, &[0.0, 0.5, 3.0], &mut out);
        assert_eq!(x, [0.0, 1.0, -1.0]);
        // Phi(1) = 0.841345
        for (got, want) in out.iter().zip([0.0, 0.841_345, -0.158_655]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }

    #[test]
    fn it_agrees_with_the_composed_function() {
        let (x, dy) = (numbers(5 * 37, 3.0, 1), numbers(5 * 37, 1.0, 2));
        let params = params(1, |_| ());
        let oracle =
            Compared::new(&params, &[(&x, &[5, 37])], &dy, DType::F64, |_, x| gelu_composed(&x[0]));
        for path in Path::here() {
            let (mut y, mut again, mut dx) = (x.clone(), x.clone(), dy.clone());
            let mut sums = [0.0; 37];
            biased_gelu(path, &mut x.clone(), &[0.0; 37], &mut y);
            gelu_backward(path, &x, &mut again, &mut dx, &mut sums);
            assert_eq!(y, again);
            let kernels = Kernels { path, precision: Precision::F32 };
            oracle.assert_same(kernels, &y, &[&dx], &[]);
            for (i, sum) in sums.iter().enumerate() {
                let want: f32 = (0..5).map(|row| dx[row * 37 + i]).sum();
                assert!((sum - want).abs() < 1e-5);
            }
        }
    }
}
