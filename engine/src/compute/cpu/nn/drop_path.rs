//! Stochastic depth, composed.

use candle_core::{Result, Tensor};

use super::composed::Composed;

/// Image `i` of `x` `(batch, .., width)` times `factors[i]`, composed.
///
/// # Errors
/// When there is not one factor for each image.
pub(crate) fn scale_composed(w: &Composed, x: &Tensor, factors: &[f32]) -> Result<Tensor> {
    let mut shape = vec![1; x.rank()];
    shape[0] = x.dim(0)?;
    x.broadcast_mul(&w.constant(factors, shape)?)
}
