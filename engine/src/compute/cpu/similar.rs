//! Rows to compare queries with, as a packed matrix.

use kernel::{Kernels, Matrix, MatrixMut, Packed};

use crate::compute::Similar;

/// Packed rows.
pub(super) struct CpuSimilar {
    packed: Packed,
    rows: usize,
    width: usize,
}

impl CpuSimilar {
    /// These rows of `width` numbers each.
    pub(super) fn new(kernels: Kernels, rows: &[f32], width: usize) -> Self {
        let count = rows.len() / width;
        let mut packed = Packed::default();
        packed.pack(kernels, Matrix::new(rows, count, width).transposed());
        Self { packed, rows: count, width }
    }
}

impl Similar for CpuSimilar {
    fn similarities(&self, queries: &[f32]) -> Vec<f32> {
        let count = queries.len() / self.width;
        let mut similarities = vec![0.0; count * self.rows];
        MatrixMut::new(&mut similarities, count, self.rows)
            .set_product(Matrix::new(queries, count, self.width), &self.packed);
        similarities
    }
}
