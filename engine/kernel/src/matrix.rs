//! Matrices over slices.

use std::ops::Range;

/// A matrix over a slice: element `(r, c)` is at `r * row_stride + c * column_stride`, and one of the two strides is 1.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows one after the other.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Rows that begin `row_stride` elements apart.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transposed matrix, over the same elements.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The given rows.
    pub(super) fn part(self, rows: Range<usize>) -> Self {
        let from = (rows.start * self.row_stride).min(self.data.len());
        Self { data: &self.data[from..], rows: rows.len(), ..self }
    }
}

/// A matrix to write into, row by row.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// Rows one after the other.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Rows that begin `row_stride` elements apart.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride);
        assert!(row_stride >= columns, "rows do not overlap");
        Self { data, rows, columns, row_stride }
    }
}

/// Panics unless the last element of the matrix is within the slice.
fn check(len: usize, rows: usize, columns: usize, row_stride: usize) {
    let end = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + columns };
    assert!(end <= len, "a {rows} x {columns} matrix reaches {end} of {len} elements");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a 3 x 4 matrix reaches 12 of 11 elements")]
    fn a_slice_that_is_too_short_is_refused() {
        Matrix::new(&[0.0; 11], 3, 4);
    }
}
