//! Packing: from a matrix to panels of words, in the order in which tiles read them.
#![expect(unsafe_code, reason = "calls functions compiled for an instruction set")]
#![expect(
    clippy::inline_always,
    reason = "only inlined code is compiled for the instruction set of a vectorised body"
)]

use std::ops::Range;

use super::{kind::Format, matrix::Matrix, path::Path, vector::vectorized};
#[cfg(target_arch = "x86_64")]
use super::{kind::rounding, turn};

/// Columns `first..first + width` of a matrix, to be packed: one row (or pair of rows) after the other, with zeros beyond the
/// edge of the matrix. The caller has asserted that the processor supports the path.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub path: Path,
    pub matrix: Matrix<'a>,
    pub first: usize,
    pub width: usize,
    pub format: Format,
}

/// The bf16 number nearest to `value`, ties to even, in the upper half of a word. The NaNs that arithmetic produces stay NaN.
#[inline(always)]
fn high(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000
}

impl Panel<'_> {
    /// Columns that the matrix has.
    #[inline(always)]
    pub fn valid(&self) -> usize {
        self.width.min(self.matrix.columns.saturating_sub(self.first))
    }

    /// Packs the panel of a right factor.
    pub fn pack(self, out: &mut [u32]) {
        let Self { path, matrix, first, width, format } = self;
        if format == Format::Squares {
            // The same words, followed by zeros.
            let (words, beyond) = out.split_at_mut(Format::Pairs.words(matrix.rows) * width);
            beyond.fill(0);
            return Self { format: Format::Pairs, ..self }.pack(words);
        }
        if matrix.column_stride != 1 && width > 1 {
            return self.pack_turned(out);
        }
        #[cfg(target_arch = "x86_64")]
        if path >= Path::Avx512Bf16 && format == Format::Pairs {
            let whole = self.valid() == width;
            // SAFETY: the processor supports the path.
            let taken = unsafe {
                match (matrix.column_stride, width) {
                    (1, 8) if whole => paired_rows::<8>(matrix, first, out),
                    (1, 16) if whole => paired_rows::<16>(matrix, first, out),
                    (1, 32) if whole => paired_rows::<32>(matrix, first, out),
                    (1, 48) if whole => paired_rows::<48>(matrix, first, out),
                    _ => 0,
                }
            };
            if taken > 0 {
                let matrix = matrix.part(taken..matrix.rows);
                return pack_words(path, Panel { matrix, ..self }, &mut out[taken / 2 * width..]);
            }
            let row_by_row = matrix.columns == 1 && matrix.row_stride == 1;
            if width == 1 && (matrix.column_stride != 1 || row_by_row) {
                let column = &matrix.data[first * matrix.column_stride..][..matrix.rows];
                // SAFETY: the processor supports the path.
                let taken = unsafe { rounding::row(column, out) };
                let matrix = Matrix::new(&column[taken..], 1, column.len() - taken).transposed();
                let rest = Panel { matrix, first: 0, ..self };
                return pack_words(path, rest, &mut out[taken / 2..]);
            }
        }
        pack_words(path, self, out);
    }

    /// Packs the panel of a left factor.
    pub fn pack_left(self, out: &mut [u32]) {
        self.pack(out);
        #[cfg(target_arch = "x86_64")]
        if self.format == Format::Squares {
            turn::turn_squares(self.path, out);
        }
    }

    /// Packs a panel of a matrix that is stored column by column.
    fn pack_turned(self, out: &mut [u32]) {
        let Self { path, matrix, width, format, .. } = self;
        let valid = self.valid();
        if valid < width {
            out.fill(0);
        }
        #[cfg(target_arch = "x86_64")]
        let (columns, words) = turn::pack_blocks(self, out);
        #[cfg(not(target_arch = "x86_64"))]
        let (columns, words) = (0, 0);
        // What the blocks do not cover: the rows below them, then the columns beside them.
        let below = matrix.part((words * format.numbers()).min(matrix.rows)..matrix.rows);
        let below = Panel { matrix: below, ..self };
        pack_columns(path, below, 0..columns, &mut out[words * width..]);
        pack_columns(path, self, columns..valid, out);
    }
}

/// Packs the pairs of rows of a whole panel of a matrix that is stored row by row. Returns the number of rows packed.
///
/// # Safety
/// The processor has AVX-512 with bf16.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
unsafe fn paired_rows<const W: usize>(b: Matrix<'_>, first: usize, out: &mut [u32]) -> usize {
    let row = |r: usize| -> &[f32; W] {
        b.data[r * b.row_stride + first..].first_chunk().expect("a whole panel")
    };
    for (at, out) in out.as_chunks_mut::<W>().0.iter_mut().take(b.rows / 2).enumerate() {
        // SAFETY: by the contract.
        unsafe { rounding::rows(row(2 * at), row(2 * at + 1), out) }
    }
    b.rows & !1
}

vectorized! {
    /// Packs a panel of rows, or one column.
    fn pack_words<'a>(panel: Panel<'a>, out: &'a mut [u32]) {
        match panel.format {
            Format::Single => pack::<false>(panel, out, f32::to_bits),
            Format::Rounded => pack::<false>(panel, out, high),
            Format::Pairs | Format::Squares => pack::<true>(panel, out, high),
        }
    }
}

vectorized! {
    /// Packs some columns of a panel of a matrix that is stored column by column.
    fn pack_columns<'a>(panel: Panel<'a>, some: Range<usize>, out: &'a mut [u32]) {
        match panel.format {
            Format::Single => columns::<false>(panel, some, out, f32::to_bits),
            Format::Rounded => columns::<false>(panel, some, out, high),
            Format::Pairs | Format::Squares => columns::<true>(panel, some, out, high),
        }
    }
}

/// Packs words of one number each, as `word` converts it, or of two where `PAIRS`: the first number in the lower half, the second
/// in the upper half.
#[inline(always)]
fn pack<const PAIRS: bool>(panel: Panel<'_>, out: &mut [u32], word: impl Fn(f32) -> u32 + Copy) {
    let whole = panel.valid() == panel.width;
    match (panel.matrix.column_stride, panel.width) {
        (1, 6) if whole => rows::<PAIRS, 6>(panel, out, word),
        (1, 8) if whole => rows::<PAIRS, 8>(panel, out, word),
        (1, 16) if whole => rows::<PAIRS, 16>(panel, out, word),
        (1, 32) if whole => rows::<PAIRS, 32>(panel, out, word),
        (1, 48) if whole => rows::<PAIRS, 48>(panel, out, word),
        (1, _) => edge::<PAIRS>(panel, out, word),
        (_, 1) if whole => column::<PAIRS>(panel, out, word),
        _ => unreachable!("a panel of columns goes through pack_turned"),
    }
}

/// Packs a whole panel of a matrix that is stored row by row.
#[inline(always)]
fn rows<const PAIRS: bool, const W: usize>(
    Panel { matrix: b, first, .. }: Panel<'_>,
    out: &mut [u32],
    word: impl Fn(f32) -> u32 + Copy,
) {
    let row = |r: usize| -> &[f32; W] {
        b.data[r * b.row_stride + first..].first_chunk().expect("a whole panel")
    };
    for (at, out) in out.as_chunks_mut::<W>().0.iter_mut().enumerate() {
        if !PAIRS {
            let row = row(at);
            for i in 0..W {
                out[i] = word(row[i]);
            }
        } else if 2 * at + 1 < b.rows {
            let (one, two) = (row(2 * at), row(2 * at + 1));
            for i in 0..W {
                out[i] = (word(one[i]) >> 16) | word(two[i]);
            }
        } else {
            let row = row(2 * at);
            for i in 0..W {
                out[i] = word(row[i]) >> 16;
            }
        }
    }
}

/// Packs a panel at the edge of a matrix that is stored row by row, or of an unusual width.
#[inline(always)]
fn edge<const PAIRS: bool>(panel: Panel<'_>, out: &mut [u32], word: impl Fn(f32) -> u32 + Copy) {
    let (valid, Panel { matrix: b, first, width, .. }) = (panel.valid(), panel);
    let row = |r: usize| &b.data[r * b.row_stride..][..b.columns][b.columns.min(first)..][..valid];
    for (at, out) in out.chunks_exact_mut(width).enumerate() {
        let (out, beyond) = out.split_at_mut(valid);
        beyond.fill(0);
        let (first, down) = if PAIRS { (2 * at, 16) } else { (at, 0) };
        out.iter_mut().zip(row(first)).for_each(|(out, &value)| *out = word(value) >> down);
        if PAIRS && first + 1 < b.rows {
            out.iter_mut().zip(row(first + 1)).for_each(|(out, &value)| *out |= word(value));
        }
    }
}

/// Packs one column of a matrix that is stored column by column.
#[inline(always)]
fn column<const PAIRS: bool>(
    Panel { matrix: b, first, .. }: Panel<'_>,
    out: &mut [u32],
    word: impl Fn(f32) -> u32 + Copy,
) {
    let column = &b.data[first * b.column_stride..][..b.rows];
    if PAIRS {
        let (pairs, rest) = column.as_chunks::<2>();
        for (out, &[one, two]) in out.iter_mut().zip(pairs) {
            *out = (word(one) >> 16) | word(two);
        }
        if let (Some(last), [value]) = (out.last_mut(), rest) {
            *last = word(*value) >> 16;
        }
    } else {
        out.iter_mut().zip(column).for_each(|(out, &value)| *out = word(value));
    }
}

/// Packs some columns of a panel of a matrix that is stored column by column.
#[inline(always)]
fn columns<const PAIRS: bool>(
    Panel { matrix: b, first, width, .. }: Panel<'_>,
    some: Range<usize>,
    out: &mut [u32],
    word: impl Fn(f32) -> u32 + Copy,
) {
    /// Words of a column packed at a time: few enough that the cache lines they go to stay in the cache.
    const AT_ONCE: usize = 32;
    for (block, out) in out.chunks_mut(AT_ONCE * width).enumerate() {
        let from = block * AT_ONCE * if PAIRS { 2 } else { 1 };
        for c in some.clone() {
            let column = &b.data[(first + c) * b.column_stride..][..b.rows][from..];
            let out = out.chunks_exact_mut(width).map(|row| &mut row[c]);
            if PAIRS {
                for (out, values) in out.zip(column.chunks(2)) {
                    let (one, two) = (word(values[0]), values.get(1).map_or(0, |&two| word(two)));
                    *out = (one >> 16) | two;
                }
            } else {
                out.zip(column).for_each(|(out, &value)| *out = word(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_to_the_nearest_and_ties_to_even() {
        let cases = [(0x3f80_8000, 0x3f80), (0x3f81_8000, 0x3f82), (0x3f80_8001, 0x3f81)];
        for (bits, want) in cases {
            assert_eq!(high(f32::from_bits(bits)) >> 16, want, "{bits:x}");
        }
        for not in [f32::NAN, f32::INFINITY - f32::INFINITY, f32::INFINITY] {
            assert_eq!(f32::from_bits(high(not)).to_bits() >> 23, not.to_bits() >> 23);
        }
    }
}
