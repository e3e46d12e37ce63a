//! A factor of a product, packed into panels as wide as a tile, so that a tile reads it sequentially.

use std::ops::Range;

use super::{
    kind::{Entry, Format, entry_of},
    matrix::Matrix,
    pack::Panel,
    path::{Kernels, Path},
    words::Words,
};

/// Which factor of a product a matrix is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Factor {
    /// The left one of a [sum of transposed products](super::MatrixMut::set_transposed_product).
    Left,
    /// The right one.
    #[default]
    Right,
}

/// A factor of a product, packed for one choice of kernels. Its rows are the product's inner dimension.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pub(super) kernels: Option<Kernels>,
    pub(super) factor: Factor,
    pub(super) rows: usize,
    pub(super) columns: usize,
    words: Words,
}

impl Packed {
    /// Row ranges of a [transposed product](super::MatrixMut::set_transposed_product) begin at a multiple of this: there a panel of
    /// every instruction set begins.
    pub const ALIGNED: usize = 48;
    /// Rows are filled in multiples of this.
    pub const TOGETHER: usize = 32;

    /// Packs a matrix as the right factor, replacing the previous content.
    pub fn pack(&mut self, kernels: Kernels, b: Matrix<'_>) {
        self.panels(kernels, b).fill();
    }

    /// Like [`pack`](Self::pack), but returns the panels, to be filled by several threads.
    pub fn panels<'a>(&'a mut self, kernels: Kernels, b: Matrix<'a>) -> Panels<'a> {
        self.resize(kernels, Factor::Right, b.rows, b.columns);
        self.some_rows(0, b)
    }

    /// Makes room for `rows` and `columns`, with unspecified content.
    pub fn resize(&mut self, kernels: Kernels, factor: Factor, rows: usize, columns: usize) {
        assert!(kernels.path.is_here(), "this processor has no {}", kernels.path);
        (self.kernels, self.factor, self.rows, self.columns) =
            (Some(kernels), factor, rows, columns);
        let (Entry { rows: tall, lanes, .. }, format) = entry_of(kernels);
        let unit = if factor == Factor::Left { tall } else { lanes };
        self.words.sized(format.words(rows) * columns.next_multiple_of(unit));
    }

    /// Packs some of the rows, starting at row `first`. `first` is a multiple of [`TOGETHER`](Self::TOGETHER), and so is the number of
    /// rows, unless they are the last ones.
    ///
    /// Panics when the rows do not fit, or before [`resize`](Self::resize).
    pub fn fill(&mut self, first: usize, rows: Matrix<'_>) {
        self.some_rows(first, rows).fill();
    }

    fn some_rows<'a>(&'a mut self, first: usize, rows: Matrix<'a>) -> Panels<'a> {
        let kernels = self.kernels.expect("resize was called");
        let (Entry { rows: tall, columns: full, .. }, format) = entry_of(kernels);
        let end = first + rows.rows;
        let whole = |row: usize| row.is_multiple_of(Self::TOGETHER);
        assert!(
            rows.columns == self.columns && end <= self.rows && whole(first),
            "rows {first} to {end} of {} columns into a factor of {} x {}",
            rows.columns,
            self.rows,
            self.columns
        );
        assert!(whole(end) || end == self.rows, "only the last rows may be fewer than a multiple");
        Panels {
            path: kernels.path,
            format,
            matrix: rows,
            height: format.words(self.rows),
            words: format.words(first)..format.words(end),
            width: if self.factor == Factor::Left { tall } else { full },
            factor: self.factor,
            column: 0,
            out: self.words.get_mut(),
        }
    }

    /// Like [`fill`](Self::fill), with rows one after the other.
    pub fn fill_rows(&mut self, first: usize, rows: &[f32]) {
        let count = rows.len() / self.columns.max(1);
        self.fill(first, Matrix::new(rows, count, self.columns));
    }

    /// The panels, one after the other.
    pub(super) fn words(&self) -> &[u32] {
        self.words.get()
    }
}

/// Panels to fill with some rows of a matrix.
#[derive(Debug)]
pub struct Panels<'a> {
    path: Path,
    format: Format,
    factor: Factor,
    matrix: Matrix<'a>,
    /// Words that a panel's column has room for, and which of them to fill.
    height: usize,
    words: Range<usize>,
    /// Columns of a whole panel.
    width: usize,
    /// First column of the first panel.
    column: usize,
    /// One panel after the other.
    out: &'a mut [u32],
}

impl Panels<'_> {
    /// Words that the panels have room for.
    pub fn room(&self) -> usize {
        self.out.len()
    }

    /// Splits the panels into two parts of about the same size, for two threads; with fewer than two panels, one part is empty.
    #[must_use]
    pub fn split(self) -> (Self, Self) {
        let panel = self.height * self.width;
        let half = self.out.len() / panel.max(1) / 2;
        let (one, other) = self.out.split_at_mut(half * panel);
        let column = self.column + half * self.width;
        let words = self.words.clone();
        (Self { out: one, words, ..self }, Self { out: other, column, words: self.words, ..self })
    }

    /// Fills the panels.
    pub fn fill(self) {
        if self.words.is_empty() {
            return;
        }
        for (panel, out) in self.out.chunks_mut(self.height * self.width).enumerate() {
            let width = out.len() / self.height;
            let out = &mut out[self.words.start * width..self.words.end * width];
            let panel = Panel {
                path: self.path,
                matrix: self.matrix,
                first: self.column + panel * self.width,
                width,
                format: self.format,
            };
            match self.factor {
                Factor::Left => panel.pack_left(out),
                Factor::Right => panel.pack(out),
            }
        }
    }
}
