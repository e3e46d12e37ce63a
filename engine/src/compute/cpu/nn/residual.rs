//! The residual connections of a block: its input plus a branch's output, scaled by a factor for each image.

use kernel::vectorized;

/// Some rows of a shard, and the factor of each image.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub first: usize,
    pub tokens: usize,
    pub factors: Option<&'a [f32]>,
}

impl Rows<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
    fn factor(self, row: usize) -> f32 {
        self.factors.map_or(1.0, |factors| factors[(self.first + row) / self.tokens])
    }
}

vectorized! {
    /// `out = base + factor (out + bias)` for each row.
    pub(super) fn add_part<'a>(out: &'a mut [f32], bias: &'a [f32], base: &'a [f32], rows: Rows<'a>) {
        let width = bias.len();
        let both = out.chunks_exact_mut(width).zip(base.chunks_exact(width));
        for (row, (out, base)) in both.enumerate() {
            let factor = rows.factor(row);
            for ((out, bias), base) in out.iter_mut().zip(bias).zip(base) {
                *out = base + factor * (*out + bias);
            }
        }
    }
}

vectorized! {
    /// `to = factor from` for each row.
    pub(super) fn scale_rows<'a>(from: &'a [f32], to: &'a mut [f32], width: usize, rows: Rows<'a>) {
        for (row, (from, to)) in from.chunks_exact(width).zip(to.chunks_exact_mut(width)).enumerate() {
            let factor = rows.factor(row);
            for (to, from) in to.iter_mut().zip(from) {
                *to = factor * from;
            }
        }
    }
}
