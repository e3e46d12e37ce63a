//! A model's parameters as candle's variables.
//!
//! Besides its own arithmetic, each layer has a form composed of candle's differentiable operations. It is slow; the tests compare
//! the arithmetic with it, in single and in double precision.

use candle_core::{DType, Device, Result, Tensor, Var};

use crate::{compute::Params, model::Slot};

/// The parameters of a model as variables.
#[derive(Debug)]
pub struct Composed {
    vars: Vec<(Slot, Var)>,
    dtype: DType,
}

impl Composed {
    /// A copy of the parameters in `F32` or `F64`.
    ///
    /// # Errors
    /// When candle cannot create it.
    pub fn new(params: &Params, dtype: DType) -> Result<Self> {
        let vars = params.iter().map(|param| {
            let values = Tensor::from_slice(params.of(param), &param.shape[..], &Device::Cpu)?;
            Ok((param.slot, Var::from_tensor(&values.to_dtype(dtype)?)?))
        });
        Ok(Self { vars: vars.collect::<Result<_>>()?, dtype })
    }

    /// The variable of a slot. Panics if the model has none there.
    pub fn tensor(&self, slot: Slot) -> &Tensor {
        let found = self.vars.iter().find(|(other, _)| *other == slot);
        found.expect("a layer's slots belong to its model").1.as_tensor()
    }

    /// A tensor of the parameters' number type.
    ///
    /// # Errors
    /// When the shape does not match the number of values.
    pub fn constant(&self, values: &[f32], shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(self.dtype)
    }

    /// The gradient of `loss` for each parameter, in order; zeros where `loss` does not depend on it.
    ///
    /// # Errors
    /// When candle's backward pass fails.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<f64>> {
        let store = loss.backward()?;
        let mut flat = Vec::new();
        for (slot, var) in &self.vars {
            match store.get(var.as_tensor()) {
                Some(gradient) => {
                    flat.extend(gradient.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?);
                }
                None => flat.resize(flat.len() + slot.len, 0.0),
            }
        }
        Ok(flat)
    }
}
