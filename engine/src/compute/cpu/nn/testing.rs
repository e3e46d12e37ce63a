//! Comparing a layer with its composed form.

use candle_core::{DType, Device, Result, Tensor, Var};
use kernel::{Kernels, Path, Precision};
use shared::stream::{Purpose, stream};

use super::Composed;
use crate::{
    compute::{Params, draw},
    model::{Init, Layout},
};

/// `n` normal random numbers.
pub(crate) fn numbers(n: usize, deviation: f64, seed: u64) -> Vec<f32> {
    draw(Init::Normal { deviation }, &[n], &mut stream(seed, Purpose::Init, 0, 0))
}

/// The parameters of a layer that `add` describes.
pub(crate) fn params(seed: u64, add: impl FnOnce(&mut Layout)) -> Params {
    let mut layout = Layout::default();
    add(&mut layout);
    Params::draw(layout, seed)
}

/// Single precision on the fastest instruction set of this machine.
pub(crate) fn single() -> Kernels {
    Kernels { path: Path::fastest(), precision: Precision::F32 }
}

/// All kernels of this machine.
pub(crate) fn all_kernels() -> impl Iterator<Item = Kernels> {
    let both = [Precision::F32, Precision::Bf16];
    both.into_iter().flat_map(|precision| Path::here().map(move |path| Kernels { path, precision }))
}

/// What a composed layer computes: its output, and the gradients of inputs and parameters for a gradient `dy` of the output.
pub(crate) struct Compared {
    output: Vec<f64>,
    inputs: Vec<Vec<f64>>,
    params: Vec<f64>,
}

impl Compared {
    pub(crate) fn new(
        params: &Params,
        inputs: &[(&[f32], &[usize])],
        dy: &[f32],
        dtype: DType,
        layer: impl Fn(&Composed, &[Tensor]) -> Result<Tensor>,
    ) -> Self {
        let composed = Composed::new(params, dtype).unwrap();
        let vars: Vec<Var> = inputs
            .iter()
            .map(|(values, shape)| {
                Var::from_tensor(&composed.constant(values, *shape).unwrap()).unwrap()
            })
            .collect();
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let output = layer(&composed, &tensors).unwrap();
        let dy =
            Tensor::from_slice(dy, output.shape(), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        let loss = (&output * dy).unwrap().sum_all().unwrap();
        let flat = |tensor: &Tensor| -> Vec<f64> {
            tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
        };
        let store = loss.backward().unwrap();
        Self {
            output: flat(&output),
            inputs: vars.iter().map(|var| flat(store.get(var).expect("a gradient"))).collect(),
            params: composed.gradients(&loss).unwrap(),
        }
    }

    /// Asserts that a layer's own arithmetic gives the same, within a share of a tensor's largest number: 2e-5 in single precision,
    /// 2e-2 in bf16, whose factors have 8 significant bits.
    pub(crate) fn assert_same(
        &self,
        kernels: Kernels,
        output: &[f32],
        inputs: &[&[f32]],
        params: &[f32],
    ) {
        self.assert_same_inputs(kernels, output, inputs);
        assert_close(
            params,
            &self.params,
            tolerance(kernels),
            &format!("{kernels:?}: gradient of parameters"),
        );
    }

    /// The same without the gradient of the parameters.
    pub(crate) fn assert_same_inputs(&self, kernels: Kernels, output: &[f32], inputs: &[&[f32]]) {
        let tolerance = tolerance(kernels);
        assert_close(output, &self.output, tolerance, &format!("{kernels:?}: output"));
        for (i, (got, want)) in inputs.iter().zip(&self.inputs).enumerate() {
            assert_close(got, want, tolerance, &format!("{kernels:?}: gradient of input {i}"));
        }
    }
}

fn tolerance(kernels: Kernels) -> f64 {
    match kernels.precision {
        Precision::F32 => 2e-5,
        Precision::Bf16 => 2e-2,
    }
}

/// Asserts that two tensors differ by at most `tolerance` times the largest number.
pub(crate) fn assert_close(got: &[f32], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(1e-3f64, |max, value| max.max(value.abs()));
    for (i, (&got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            (f64::from(got) - want).abs() <= tolerance * largest,
            "{what} at {i}: {got} instead of {want}"
        );
    }
}
