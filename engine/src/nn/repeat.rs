//! Learnt tokens in many places.

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
    repeat(token, (batch, tokens, width))
}

/// A table `(1, tokens, width)` repeated for each image to `(batch, tokens, width)`.
///
/// # Errors
/// When the table has another shape.
pub fn repeat_rows(table: &Tensor, batch: usize) -> Result<Tensor> {
    let (_, tokens, width) = table.dims3()?;
    repeat(table, (batch, tokens, width))
}

fn repeat(rows: &Tensor, shape: (usize, usize, usize)) -> Result<Tensor> {
    if has_kernel(rows) {
        rows.apply_op1(Repeat { shape })
    } else {
        rows.broadcast_as(shape)?.contiguous()
    }
}

/// As candle's broadcast, whose gradient, a sum over rows, takes much longer.
struct Repeat {
    shape: (usize, usize, usize),
}

impl CustomOp1 for Repeat {
    fn name(&self) -> &'static str {
        "repeat-token"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let rows = slice(storage, layout)?;
        let (batch, tokens, width) = self.shape;
        let out = rows.repeat(batch * tokens * width / rows.len());
        Ok((CpuStorage::F32(out), self.shape.into()))
    }

    fn bwd(&self, rows: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut sums = vec![0.0; rows.elem_count()];
        with_slice(&gradient.contiguous()?, |gradient| column_sums(gradient, &mut sums))?;
        tensor_like(sums, rows).map(Some)
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
        let table = random(vec![1, 4, 19], 1.0, 2);
        assert_same(
            &[table],
            |x| repeat_rows(&x[0], 3),
            |x| x[0].broadcast_as((3, 4, 19))?.contiguous(),
            1e-5,
        );
    }
}
