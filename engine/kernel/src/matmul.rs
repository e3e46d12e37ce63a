//! Matrix products of packed factors.
//!
//! Each number of a product is summed in the order of the inner dimension, whatever part of the rows or columns is computed
//! at once: how the work is divided never changes a bit.
#![expect(unsafe_code, reason = "calls the tiles, which take pointers")]

use std::{cell::RefCell, ops::Range};

use super::{
    kind::{Entry, Format, entry_of},
    matrix::{Matrix, MatrixMut},
    pack::Panel,
    packed::{Factor, Packed},
    tile::{Call, Part},
    words::Words,
};

/// Rows of the left factor that are rounded to bf16 at once.
const ROUNDED_ROWS: usize = 64;

impl MatrixMut<'_> {
    /// Writes the product `a b`. Panics when the shapes do not fit.
    pub fn set_product(self, a: Matrix<'_>, b: &Packed) {
        self.product(false, a, b);
    }

    fn product(self, add: bool, a: Matrix<'_>, b: &Packed) {
        assert_eq!(
            (self.rows, a.columns, self.columns, Factor::Right),
            (a.rows, b.rows, b.columns, b.factor),
            "(rows, inner, columns) of a matrix product, and its right factor"
        );
        let Some(kernels) = b.kernels else { return };
        let (Entry { rows: tall, run, .. }, format) = entry_of(kernels);
        let words = format.words(a.columns);
        let part = Part {
            words,
            a: a.data.as_ptr().cast(),
            a_block: a.row_stride,
            b: b.words().as_ptr(),
            b_words: words,
        };
        let call = Call {
            rows: a.rows,
            columns: b.columns,
            parts: &[part],
            a_row: a.row_stride,
            a_step: a.column_stride,
            c: self.data.as_mut_ptr(),
            c_row: self.row_stride,
            add,
        };
        if format == Format::Single {
            // SAFETY: a matrix checks, when it is made, that every element its sizes and strides reach is within its slice;
            // `fill` filled the panels of all columns; the shapes agree by the assertion above; and a `Path` is used only where
            // it `is_here`, which `resize` asserts.
            return unsafe { run(&call) };
        }
        SCRATCH.with_borrow_mut(|scratch| {
            for first in (0..a.rows).step_by(ROUNDED_ROWS) {
                let rows = ROUNDED_ROWS.min(a.rows - first);
                let a = a.part(first..first + rows);
                let by_row = a.column_stride == 1;
                let panel = |matrix, first, width| Panel {
                    path: kernels.path,
                    matrix,
                    first,
                    width,
                    format,
                };
                let rounded = scratch.left.sized(words * rows.next_multiple_of(tall));
                if by_row {
                    for (row, out) in rounded.chunks_exact_mut(words.max(1)).take(rows).enumerate()
                    {
                        // A row is the only column of its transposed matrix.
                        panel(a.part(row..row + 1).transposed(), 0, 1).pack(out);
                    }
                } else {
                    for (block, out) in rounded.chunks_exact_mut((words * tall).max(1)).enumerate()
                    {
                        panel(a.transposed(), block * tall, tall).pack_left(out);
                    }
                }
                let part = Part { a: rounded.as_ptr(), a_block: words, ..part };
                let (a_row, a_step) = if by_row { (words, 1) } else { format.left_steps(tall) };
                let c = self.data[first * self.row_stride..].as_mut_ptr();
                let call = Call { rows, parts: &[part], a_row, a_step, c, ..call };
                // SAFETY: as above; `rounded` holds `words` words for each of the rows.
                unsafe { run(&call) }
            }
        });
    }

    /// Writes rows `range` of the sum of `a^T b` over the parts, where `a` `(rows, n)` is a left factor and `b` `(rows, k)` a right
    /// one with the same number of rows; the sum is `(n, k)`. The range begins at a multiple of [`Packed::ALIGNED`].
    ///
    /// Panics when the shapes do not fit.
    pub fn set_transposed_product<'a>(
        self,
        parts: impl Iterator<Item = (&'a Packed, &'a Packed)>,
        range: Range<usize>,
    ) {
        assert_eq!(self.rows, range.len(), "rows of a transposed product");
        if range.is_empty() {
            return;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.parts.clear();
            let mut all = None;
            for (a, b) in parts {
                assert_eq!(
                    (Factor::Left, a.rows, Factor::Right, self.columns, a.kernels),
                    (a.factor, b.rows, b.factor, b.columns, b.kernels),
                    "a part of a transposed product"
                );
                assert!(range.end <= a.columns, "rows {range:?} of {}", a.columns);
                let Some(kernels) = a.kernels else { continue };
                assert_eq!(*all.get_or_insert(kernels), kernels, "parts share their kernels");
                let (Entry { rows: tall, .. }, format) = entry_of(kernels);
                assert!(range.start.is_multiple_of(tall), "a range begins with a panel");
                let words = format.words(a.rows);
                scratch.parts.push(Part {
                    words,
                    a: a.words()[words * range.start..].as_ptr(),
                    a_block: words,
                    b: b.words().as_ptr(),
                    b_words: words,
                });
            }
            let Some(kernels) = all else {
                for row in self.data.chunks_mut(self.row_stride.max(1)).take(self.rows) {
                    row[..self.columns].fill(0.0);
                }
                return;
            };
            let (Entry { rows: tall, run, .. }, format) = entry_of(kernels);
            let (a_row, a_step) = format.left_steps(tall);
            let call = Call {
                rows: self.rows,
                columns: self.columns,
                parts: &scratch.parts,
                a_row,
                a_step,
                c: self.data.as_mut_ptr(),
                c_row: self.row_stride,
                add: false,
            };
            // SAFETY: panels hold `words` words of every padded row and column; `self` was checked when it was made;
            // the factors live as long as the iterator's items, which outlive this call; the processor has the path, as `resize` asserts.
            unsafe { run(&call) }
        });
    }
}

#[derive(Default)]
struct Scratch {
    left: Words,
    parts: Vec<Part>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Kernels, Path, Precision, tile::BLOCK};

    /// Small whole numbers: every order of summation, and bf16, gives the same result.
    fn numbers(n: usize, modulus: usize) -> Vec<f32> {
        (0..n).map(|i| (i * 7 % modulus) as f32 - (modulus / 2) as f32).collect()
    }

    fn all_kernels() -> impl Iterator<Item = Kernels> {
        Path::here().flat_map(|path| {
            [Precision::F32, Precision::Bf16].map(|precision| Kernels { path, precision })
        })
    }

    /// A factor whose rows are filled in two calls.
    fn in_two(kernels: Kernels, factor: Factor, matrix: Matrix<'_>) -> Packed {
        let mut packed = Packed::default();
        packed.resize(kernels, factor, matrix.rows, matrix.columns);
        let half = matrix.rows / 2 / Packed::TOGETHER * Packed::TOGETHER;
        packed.fill(half, matrix.part(half..matrix.rows));
        packed.fill(0, matrix.part(0..half));
        packed
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
            rows in proptest::collection::vec(1usize..80, 1..5), n in 1usize..70, k in 1usize..70, cut in 0usize..2,
        ) {
            let (a, b) = (numbers(80 * 70, 11), numbers(80 * 70, 13));
            let cut = (cut * Packed::ALIGNED).min(n);
            for kernels in all_kernels() {
                let parts = rows.iter().map(|&rows| {
                    let (a, b) = (Matrix::new(&a, rows, n), Matrix::new(&b, rows, k));
                    [(a, Factor::Left), (b, Factor::Right)].map(|(matrix, factor)| in_two(kernels, factor, matrix))
                });
                let parts: Vec<_> = parts.collect();
                let mut out = vec![9.0; n * k];
                let (top, bottom) = out.split_at_mut(cut * k);
                for (range, out) in [(0..cut, top), (cut..n, bottom)] {
                    let parts = parts.iter().map(|[a, b]| (a, b));
                    MatrixMut::new(out, range.len(), k).set_transposed_product(parts, range);
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
            let a = in_two(kernels, Factor::Left, Matrix::new(&a, long, 1));
            MatrixMut::new(&mut turned, 1, 1)
                .set_transposed_product([(&a, &packed)].into_iter(), 0..1);
            assert_eq!(
                (product, turned),
                ([(long / 2) as f32], [(long / 2) as f32]),
                "{kernels:?}"
            );
        }
    }
}
