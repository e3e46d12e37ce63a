//! A factor of a product, packed into panels as wide as a tile, so that a tile reads it in a row.

use super::{
    kind::{Entry, Format, entry_of},
    matrix::Matrix,
    pack::pack_panel,
    path::Kernels,
    words::Words,
};

/// Which factor of a product it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Factor {
    /// The left one of a [sum of transposed products](super::MatrixMut::set_transposed_product).
    Left,
    /// The right one.
    #[default]
    Right,
}

/// A factor of products, packed for one choice of kernels. Its rows are the products' inner dimension.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pub(super) kernels: Option<Kernels>,
    pub(super) factor: Factor,
    pub(super) rows: usize,
    pub(super) columns: usize,
    words: Words,
}

impl Packed {
    /// Parts of a [transposed product](super::MatrixMut::set_transposed_product) begin at a multiple of this: the panels of all
    /// instruction sets begin there.
    pub const ALIGNED: usize = 24;

    /// Packs a matrix as the right factor in place of what was there before.
    pub fn pack(&mut self, kernels: Kernels, b: Matrix<'_>) {
        self.resize(kernels, Factor::Right, b.rows, b.columns);
        self.fill(0, b);
    }

    /// Makes room for so many rows and columns; what they hold is whatever was there.
    pub fn resize(&mut self, kernels: Kernels, factor: Factor, rows: usize, columns: usize) {
        assert!(kernels.path.is_here(), "this processor has no {}", kernels.path);
        (self.kernels, self.factor, self.rows, self.columns) =
            (Some(kernels), factor, rows, columns);
        let (Entry { rows: tall, lanes, .. }, format) = entry_of(kernels);
        let unit = if factor == Factor::Left { tall } else { lanes };
        self.words.sized(format.words(rows) * columns.next_multiple_of(unit));
    }

    /// Packs some of the rows, from the row `first` on. Where two rows make a word, `first` is even, and an odd number of rows are
    /// the last ones.
    ///
    /// Panics when the rows do not fit, or before [`resize`](Self::resize).
    pub fn fill(&mut self, first: usize, rows: Matrix<'_>) {
        let kernels = self.kernels.expect("a size");
        let (Entry { rows: tall, columns: full, .. }, format) = entry_of(kernels);
        let full = if self.factor == Factor::Left { tall } else { full };
        let end = first + rows.rows;
        let even = |row: usize| format != Format::Pairs || row.is_multiple_of(2);
        assert!(
            rows.columns == self.columns && end <= self.rows && even(first),
            "rows {first} to {end} of {} columns into a factor of {} x {}",
            rows.columns,
            self.rows,
            self.columns
        );
        assert!(even(end) || end == self.rows, "an odd number of rows are the last ones");
        let (height, from, part) =
            (format.words(self.rows), format.words(first), format.words(rows.rows));
        if part == 0 {
            return;
        }
        let all = self.words.get_mut();
        for (panel, out) in all.chunks_mut(height * full).enumerate() {
            let width = out.len() / height;
            let out = &mut out[from * width..(from + part) * width];
            pack_panel(kernels.path, rows, panel * full, width, format, out);
        }
    }

    /// As [`fill`](Self::fill), with rows one after the other.
    pub fn fill_rows(&mut self, first: usize, rows: &[f32]) {
        let count = rows.len() / self.columns.max(1);
        self.fill(first, Matrix::new(rows, count, self.columns));
    }

    /// The panels, one after the other.
    pub(super) fn words(&self) -> &[u32] {
        self.words.get()
    }
}
