//! Matrix products: the right matrix packed into panels as wide as a tile, so that a tile reads it in a row.
//!
//! Each number of a product is summed in the order of the inner dimension, whatever part of the rows or columns is computed
//! at once: how work is cut never changes a bit.
#![expect(unsafe_code, reason = "calls the tiles, which take pointers")]

use std::{cell::RefCell, ops::Range};

use super::{
    kind::{Entry, Format, entry_of},
    pack::pack_panel,
    path::Kernels,
    tile::{BLOCK, Call},
    words::Words,
};

/// Rows whose factors are turned into bf16 at once.
const ROUNDED_ROWS: usize = 64;

/// A matrix over a slice: element `(r, c)` stands at `r * row_stride + c * column_stride`, and one of the two strides is 1.
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

    /// Some of its rows.
    fn part(self, rows: Range<usize>) -> Self {
        let from = (rows.start * self.row_stride).min(self.data.len());
        Self { data: &self.data[from..], rows: rows.len(), ..self }
    }
}

/// A matrix to write into, row by row.
#[derive(Debug)]
pub struct MatrixMut<'a> {
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

    /// Writes the product `a b`. Panics when the shapes do not fit.
    pub fn set_product(self, a: Matrix<'_>, b: &Packed) {
        self.product(false, a, b);
    }

    fn product(self, add: bool, a: Matrix<'_>, b: &Packed) {
        assert_eq!(
            (self.rows, a.columns, self.columns),
            (a.rows, b.rows, b.columns),
            "(rows, inner, columns) of a matrix product"
        );
        let Some(kernels) = b.kernels else { return };
        let (entry, format) = entry_of(kernels);
        let words = format.words(a.columns);
        let panels = b.words.get();
        if format == Format::Single {
            let call = Call {
                rows: a.rows,
                columns: b.columns,
                words,
                a: a.data.as_ptr().cast(),
                a_block: a.row_stride,
                a_row: a.row_stride,
                a_step: a.column_stride,
                b: panels.as_ptr(),
                b_words: words,
                c: self.data.as_mut_ptr(),
                c_row: self.row_stride,
                add,
            };
            // SAFETY: `check` made sure, when `a` and `self` were made, that every element that their sizes and strides reach
            // lies within their slices; `pack` filled the panels of all columns; the shapes agree by the assertion above;
            // and a `Path` is used only where it `is_here`, which `pack` asserts.
            return unsafe { (entry.run)(&call) };
        }
        SCRATCH.with_borrow_mut(|scratch| {
            for first in (0..a.rows).step_by(ROUNDED_ROWS) {
                let rows = ROUNDED_ROWS.min(a.rows - first);
                let rounded = scratch.left.sized(rows * words);
                let part = a.part(first..first + rows);
                for (row, out) in rounded.chunks_exact_mut(words.max(1)).enumerate() {
                    // A row is the only column of its transposed matrix.
                    let row = part.part(row..row + 1).transposed();
                    pack_panel(kernels.path, row, 0, 1, format, out);
                }
                let call = Call {
                    rows,
                    columns: b.columns,
                    words,
                    a: rounded.as_ptr(),
                    a_block: words,
                    a_row: words,
                    a_step: 1,
                    b: panels.as_ptr(),
                    b_words: words,
                    c: self.data[first * self.row_stride..].as_mut_ptr(),
                    c_row: self.row_stride,
                    add,
                };
                // SAFETY: as above; `rounded` holds `rows` rows of `words` words.
                unsafe { (entry.run)(&call) }
            }
        });
    }
}

/// Panics unless the last element of the matrix lies within the slice.
fn check(len: usize, rows: usize, columns: usize, row_stride: usize) {
    let end = if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row_stride + columns };
    assert!(end <= len, "a {rows} x {columns} matrix reaches {end} of {len} elements");
}

/// The right matrix of products, packed for one choice of kernels.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    kernels: Option<Kernels>,
    rows: usize,
    columns: usize,
    words: Words,
}

impl Packed {
    /// Packs a matrix in place of what was there before.
    pub fn pack(&mut self, kernels: Kernels, b: Matrix<'_>) {
        assert!(kernels.path.is_here(), "this processor has no {}", kernels.path);
        let (Entry { columns: full, lanes, .. }, format) = entry_of(kernels);
        let height = format.words(b.rows);
        (self.kernels, self.rows, self.columns) = (Some(kernels), b.rows, b.columns);
        let data = self.words.sized(height * b.columns.next_multiple_of(lanes));
        if height > 0 {
            for (panel, out) in data.chunks_mut(height * full).enumerate() {
                let width = out.len() / height;
                pack_panel(kernels.path, b, panel * full, width, format, out);
            }
        }
    }
}

/// Some rows of two matrices of which a [`transposed_product`] is summed.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// `(rows, n)`, row by row.
    pub a: Matrix<'a>,
    /// `(rows, k)`, row by row.
    pub b: Matrix<'a>,
}

/// Writes rows `range` of `sum over segments of a^T b`, `(n, k)`, into `out`, `(range, k)`.
///
/// Panics when the shapes do not fit.
pub fn transposed_product<'a>(
    kernels: Kernels,
    segments: impl Iterator<Item = Segment<'a>> + Clone,
    range: Range<usize>,
    out: &mut MatrixMut<'_>,
) {
    assert!(kernels.path.is_here(), "this processor has no {}", kernels.path);
    assert_eq!(out.rows, range.len(), "rows of a transposed product");
    let (Entry { rows: tall, columns: full, lanes, run }, format) = entry_of(kernels);
    let per_word = if format == Format::Pairs { 2 } else { 1 };
    let total: usize = segments.clone().map(|part| format.words(part.a.rows)).sum();
    let capacity = BLOCK.min(total);
    let padded = out.columns.next_multiple_of(lanes);
    SCRATCH.with_borrow_mut(|scratch| {
        let left = scratch.left.sized(capacity * range.len().next_multiple_of(tall));
        let right = scratch.right.sized(capacity * padded);
        let (mut filled, mut add) = (0, false);
        let mut flush = |left: &[u32], right: &[u32], filled: usize, add: bool| {
            let call = Call {
                rows: out.rows,
                columns: out.columns,
                words: filled,
                a: left.as_ptr(),
                a_block: capacity,
                a_row: 1,
                a_step: tall,
                b: right.as_ptr(),
                b_words: capacity,
                c: out.data.as_mut_ptr(),
                c_row: out.row_stride,
                add,
            };
            // SAFETY: both scratches hold `capacity >= filled` words for each padded row and column; `check` made sure of `out`;
            // and the path is here by the assertion above.
            unsafe { run(&call) }
        };
        for Segment { a, b } in segments {
            assert_eq!(
                (a.rows, out.columns),
                (b.rows, b.columns),
                "a segment of a transposed product"
            );
            assert!(range.end <= a.columns && a.column_stride == 1 && b.column_stride == 1);
            let mut row = 0;
            while row < a.rows {
                let rows = (a.rows - row).min((capacity - filled) * per_word);
                let part = format.words(rows);
                let pack = |matrix: Matrix<'_>,
                            first: usize,
                            width: usize,
                            full: usize,
                            out: &mut [u32]| {
                    let matrix = matrix.part(row..row + rows);
                    for (panel, out) in out.chunks_mut(capacity * full).enumerate() {
                        let at = panel * full;
                        let wide = full.min(width - at);
                        let out = &mut out[filled * wide..(filled + part) * wide];
                        pack_panel(kernels.path, matrix, first + at, wide, format, out);
                    }
                };
                // Columns beyond the range are packed, too, and belong to no tile.
                pack(a, range.start, range.len().next_multiple_of(tall), tall, left);
                pack(b, 0, padded, full, right);
                filled += part;
                row += rows;
                if filled == capacity {
                    flush(left, right, filled, add);
                    (filled, add) = (0, true);
                }
            }
        }
        if filled > 0 || !add {
            flush(left, right, filled, add);
        }
    });
}

#[derive(Default)]
struct Scratch {
    left: Words,
    right: Words,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Path, Precision};

    /// Whole numbers of few digits: every order of summing, and bf16, gives the same.
    fn numbers(n: usize, modulus: usize) -> Vec<f32> {
        (0..n).map(|i| (i * 7 % modulus) as f32 - (modulus / 2) as f32).collect()
    }

    fn all_kernels() -> impl Iterator<Item = Kernels> {
        Path::here().flat_map(|path| {
            [Precision::F32, Precision::Bf16].map(|precision| Kernels { path, precision })
        })
    }

    proptest! {
        #[test]
        #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
        fn products_of_parts_of_larger_matrices(
            m in 1usize..20, n in 1usize..110, k in 0usize..40, extra in 0usize..3, turned: [bool; 2],
        ) {
            let (a, b) = (numbers(64 * 64, 11), numbers(128 * 128, 13));
            let view = |data, rows, columns, turned: bool| if turned {
                Matrix::strided(data, columns, rows, rows + extra).transposed()
            } else {
                Matrix::strided(data, rows, columns, columns + extra)
            };
            let (a, b) = (view(&a, m, k, turned[0]), view(&b, k, n, turned[1]));
            let at = |x: Matrix<'_>, r: usize, c: usize| x.data[r * x.row_stride + c * x.column_stride];
            for kernels in all_kernels() {
                let mut packed = Packed::default();
                packed.pack(kernels, b);
                let mut out = vec![1.0; m * (n + extra)];
                MatrixMut::strided(&mut out, m, n, n + extra).product(true, a, &packed);
                for r in 0..m {
                    for c in 0..n + extra {
                        let product: f32 = if c < n { (0..k).map(|i| at(a, r, i) * at(b, i, c)).sum() } else { 0.0 };
                        prop_assert_eq!(out[r * (n + extra) + c], 1.0 + product, "{:?} at {}, {}", kernels, r, c);
                    }
                }
            }
        }

        #[test]
        #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
        fn transposed_products_of_segments(
            rows in proptest::collection::vec(1usize..30, 1..5), n in 1usize..30, k in 1usize..70, cut in 0usize..30,
        ) {
            let (a, b) = (numbers(40 * 30, 11), numbers(40 * 70, 13));
            let cut = cut.min(n);
            for kernels in all_kernels() {
                let segments = rows.iter().map(|&rows| Segment { a: Matrix::new(&a, rows, n), b: Matrix::new(&b, rows, k) });
                let mut out = vec![9.0; n * k];
                let (top, bottom) = out.split_at_mut(cut * k);
                for (range, out) in [(0..cut, top), (cut..n, bottom)] {
                    transposed_product(kernels, segments.clone(), range.clone(), &mut MatrixMut::new(out, range.len(), k));
                }
                for i in 0..n {
                    for j in 0..k {
                        let sum = |rows: &usize| (0..*rows).map(|t| a[t * n + i] * b[t * k + j]).sum::<f32>();
                        prop_assert_eq!(out[i * k + j], rows.iter().map(sum).sum::<f32>(), "{:?} at {}, {}", kernels, i, j);
                    }
                }
            }
        }
    }

    #[test]
    fn long_sums_are_cut_into_blocks() {
        let long = 2 * BLOCK + 37;
        let (a, b) = (vec![1.0; long], (0..long).map(|i| (i % 2) as f32).collect::<Vec<_>>());
        for kernels in all_kernels() {
            let mut packed = Packed::default();
            packed.pack(kernels, Matrix::new(&b, long, 1));
            let (mut product, mut turned) = ([0.0], [0.0]);
            MatrixMut::new(&mut product, 1, 1).set_product(Matrix::new(&a, 1, long), &packed);
            let segment = Segment { a: Matrix::new(&a, long, 1), b: Matrix::new(&b, long, 1) };
            transposed_product(
                kernels,
                std::iter::once(segment),
                0..1,
                &mut MatrixMut::new(&mut turned, 1, 1),
            );
            assert_eq!(
                (product, turned),
                ([(long / 2) as f32], [(long / 2) as f32]),
                "{kernels:?}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "a 3 x 4 matrix reaches 12 of 11 elements")]
    fn a_slice_that_is_too_short_is_refused() {
        Matrix::new(&[0.0; 11], 3, 4);
    }
}
