//! Comparing an operation with its oracle.

use candle_core::{Device, Result, Tensor, Var};
use shared::stream::{Purpose, stream};

use super::Init;

/// A tensor of normal numbers.
pub(crate) fn random(shape: Vec<usize>, deviation: f64, seed: u64) -> Tensor {
    let n = shape.iter().product();
    let values = Init::Normal { deviation }.draw(n, &mut stream(seed, Purpose::Init, 0, 0));
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Asserts that two functions agree in their value and in the gradients of all inputs, up to `tolerance` relative to the
/// largest number of each tensor.
pub(crate) fn assert_same(
    inputs: &[Tensor],
    ours: impl Fn(&[Tensor]) -> Result<Tensor>,
    oracle: impl Fn(&[Tensor]) -> Result<Tensor>,
    tolerance: f32,
) {
    let (values, gradients) = value_and_gradients(inputs, ours);
    let (want_values, want_gradients) = value_and_gradients(inputs, oracle);
    assert_close(&values, &want_values, tolerance, "value");
    for (i, (gradient, want)) in gradients.iter().zip(&want_gradients).enumerate() {
        assert_close(gradient, want, tolerance, &format!("gradient of input {i}"));
    }
}

fn value_and_gradients(
    inputs: &[Tensor],
    function: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> (Vec<f32>, Vec<Vec<f32>>) {
    let vars: Vec<Var> = inputs.iter().map(|input| Var::from_tensor(input).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let out = function(&tensors).unwrap();
    let weights = random(out.dims().to_vec(), 1.0, 99);
    let gradients = (&out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let of_vars = vars.iter().map(|var| flat(gradients.get(var).expect("a gradient"))).collect();
    (flat(&out), of_vars)
}

fn assert_close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1e-3f32, |max, value| max.max(value.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * largest, "{what} at {i}: {g} instead of {w}");
    }
}
