//! The two-layer perceptron of a transformer block.

use candle_core::{Result, Tensor};

use super::{gelu::gelu, linear::Linear, params::Params};

/// `fc2(gelu(fc1(x)))`, four times as wide inside.
#[derive(Clone, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    /// Width inside over width outside, as in the paper.
    pub const RATIO: usize = 4;

    /// Adds `name.fc1.*` and `name.fc2.*` to the parameters.
    ///
    /// # Errors
    /// When candle cannot make them.
    pub fn new(params: &mut Params, name: &str, width: usize) -> Result<Self> {
        let inner = Self::RATIO * width;
        Ok(Self {
            fc1: Linear::new(params, &format!("{name}.fc1"), width, inner)?,
            fc2: Linear::new(params, &format!("{name}.fc2"), inner, width)?,
        })
    }

    /// `(.., width)` to the same shape.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc2.forward(&gelu(&self.fc1.forward(x)?)?)
    }
}
