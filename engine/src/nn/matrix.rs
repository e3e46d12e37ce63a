//! Products of f32 matrices on one thread. The only place that calls the `gemm` crate.

/// A matrix over a slice: element `(r, c)` stands at `r * row_stride + c * column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
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
}

/// A matrix to write into, row by row.
pub(crate) struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
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

/// Panics unless the last element of the matrix lies within the slice.
fn check(len: usize, rows: usize, columns: usize, row_stride: usize) {
    let end = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + columns };
    assert!(end <= len, "a {rows} x {columns} matrix reaches {end} of {len} elements");
}

impl MatrixMut<'_> {
    /// Writes the product `a b`. Panics when the shapes do not fit.
    pub fn set_product(self, a: Matrix<'_>, b: Matrix<'_>) {
        self.product(false, a, b);
    }

    /// Adds the product `a b` to what stands there. Panics when the shapes do not fit.
    pub fn add_product(self, a: Matrix<'_>, b: Matrix<'_>) {
        self.product(true, a, b);
    }

    fn product(self, add: bool, a: Matrix<'_>, b: Matrix<'_>) {
        assert_eq!(
            (self.rows, a.columns, self.columns),
            (a.rows, b.rows, b.columns),
            "(rows, inner, columns) of a matrix product"
        );
        #[expect(unsafe_code, reason = "the gemm crate takes pointers")]
        // SAFETY: `check` made sure, when the three matrices were made, that every element that their rows, columns and strides
        // reach lies within their slices (a transposed matrix reaches the same elements); `self` is borrowed mutably, its
        // rows do not overlap each other, and the shapes agree by the assertion above.
        unsafe {
            gemm::gemm(
                self.rows,
                self.columns,
                a.columns,
                self.data.as_mut_ptr(),
                1,
                self.row_stride as isize,
                add,
                a.data.as_ptr(),
                a.column_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr(),
                b.column_stride as isize,
                b.row_stride as isize,
                1.0f32,
                1.0f32,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
        fn products_of_parts_of_larger_matrices(m in 1usize..9, n in 1usize..20, k in 0usize..30, extra in 0usize..3) {
            // Whole numbers: every order of summing gives the same.
            let a: Vec<f32> = (0..m * (k + extra)).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..n * (k + extra)).map(|i| (i % 5) as f32 - 2.0).collect();
            let mut out = vec![1.0; m * (n + extra)];
            MatrixMut::strided(&mut out, m, n, n + extra).add_product(
                Matrix::strided(&a, m, k, k + extra),
                Matrix::strided(&b, n, k, k + extra).transposed(),
            );
            for r in 0..m {
                for c in 0..n + extra {
                    let product: f32 = if c < n {
                        (0..k).map(|i| a[r * (k + extra) + i] * b[c * (k + extra) + i]).sum()
                    } else {
                        0.0
                    };
                    prop_assert_eq!(out[r * (n + extra) + c], 1.0 + product);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a 3 x 4 matrix reaches 12 of 11 elements")]
    fn a_slice_that_is_too_short_is_refused() {
        Matrix::new(&[0.0; 11], 3, 4);
    }
}
