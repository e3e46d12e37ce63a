//! One learnt token in many places.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{
    linear::column_sums,
    op::{has_kernel, slice, tensor_like, with_slice},
};

/// A token `(1, 1, width)` repeated to `(batch, tokens, width)`.
///
/// # Errors
/// When the token has another shape.
pub fn repeat_token(token: &Tensor, batch: usize, tokens: usize) -> Result<Tensor> {
    let (_, _, width) = token.dims3()?;
    if has_kernel(token) {
        token.apply_op1(Repeat { batch, tokens })
    } else {
        token.broadcast_as((batch, tokens, width))?.contiguous()
    }
}

/// As candle's broadcast, whose gradient, a sum over rows, takes much longer.
struct Repeat {
    batch: usize,
    tokens: usize,
}

impl CustomOp1 for Repeat {
    fn name(&self) -> &'static str {
        "repeat-token"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let token = slice(storage, layout)?;
        let out = token.repeat(self.batch * self.tokens);
        Ok((CpuStorage::F32(out), (self.batch, self.tokens, token.len()).into()))
    }

    fn bwd(&self, token: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut sums = vec![0.0; token.elem_count()];
        with_slice(&gradient.contiguous()?, |gradient| column_sums(gradient, &mut sums))?;
        tensor_like(sums, token).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{assert_same, random};

    #[test]
    fn the_kernel_agrees_with_a_broadcast() {
        let token = random(vec![1, 1, 19], 1.0, 1);
        assert_same(
            &[token],
            |x| repeat_token(&x[0], 3, 4),
            |x| x[0].broadcast_as((3, 4, 19))?.contiguous(),
            1e-5,
        );
    }
}
