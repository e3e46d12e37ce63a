//! A product, tile by tile: the sums of a tile stay in registers over the whole inner dimension.
#![expect(unsafe_code, reason = "pointers into packed matrices")]
#![expect(clippy::inline_always, reason = "compiled for the instruction set of the caller")]

use super::kind::Kind;

/// Words of the inner dimension that a tile processes at once: a panel of the right matrix of this length stays in the L2 cache.
pub(super) const BLOCK: usize = 1024;
/// Size of the largest tile in numbers.
const LARGEST_TILE: usize = 8 * 48;

/// `C = A B` or `C += A B`, where A B is the sum of the parts' products; all sizes are in words of the kind.
pub(super) struct Call<'a> {
    pub rows: usize,
    pub columns: usize,
    pub parts: &'a [Part],
    pub a_row: usize,
    pub a_step: usize,
    pub c: *mut f32,
    pub c_row: usize,
    pub add: bool,
}

/// A part of the inner dimension.
///
/// Word `p` of row `i` of A is at `a + (i / ROWS * ROWS) * a_block + (i % ROWS) * a_row + p * a_step`. B is packed in panels as
/// wide as a tile, each row by row with room for `b_words` rows; the last panel is as narrow as vectors allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub words: usize,
    pub a: *const u32,
    pub a_block: usize,
    pub b: *const u32,
    pub b_words: usize,
}

/// Parts that a tile processes at once: some words of the first one, and all of the others.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    first: Option<Part>,
    from: usize,
    words: usize,
    others: &'a [Part],
}

impl Piece<'_> {
    /// Each part, its first word in this piece, and its number of words.
    #[inline(always)]
    pub(super) fn parts(&self) -> impl Iterator<Item = (&Part, usize, usize)> {
        let first = self.first.iter().map(|part| (part, self.from, self.words));
        first.chain(self.others.iter().map(|part| (part, 0, part.words)))
    }
}

/// Cuts parts into pieces of at most [`BLOCK`] words. No parts at all make one empty piece, whose product is zero.
pub(super) struct Pieces<'a> {
    parts: &'a [Part],
    from: usize,
    begun: bool,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(parts: &'a [Part]) -> Self {
        Self { parts, from: 0, begun: false }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Piece<'a>> {
        let begun = std::mem::replace(&mut self.begun, true);
        let from = std::mem::take(&mut self.from);
        let Some((&first, others)) = self.parts.split_first() else {
            return (!begun).then_some(Piece { first: None, from: 0, words: 0, others: &[] });
        };
        let mut words = first.words - from;
        if words > BLOCK {
            self.from = from + BLOCK;
            return Some(Piece { first: Some(first), from, words: BLOCK, others: &[] });
        }
        let all = others.iter().take_while(|part| {
            words += part.words;
            words <= BLOCK
        });
        let (others, rest) = others.split_at(all.count());
        self.parts = rest;
        Some(Piece { first: Some(first), from, words: first.words - from, others })
    }
}

/// One tile: the rows of A from `row` on, and the columns from `column` on, in a panel of B that is `width` wide.
#[derive(Clone, Copy)]
struct Tile<'a> {
    piece: Piece<'a>,
    row: usize,
    column: usize,
    width: usize,
    a_row: usize,
    a_step: usize,
    c: *mut f32,
    c_row: usize,
    add: bool,
}

/// Computes a product with one kind's vectors.
///
/// # Safety
/// The processor has the kind's instruction set; A and B can be read, and C written, wherever the call's sizes reach.
#[inline(always)]
pub(super) unsafe fn product<K: Kind>(call: &Call<'_>) {
    let full = K::LANES * K::VECTORS;
    for column in (0..call.columns).step_by(full) {
        let columns = full.min(call.columns - column);
        let vectors = columns.div_ceil(K::LANES);
        for (at, piece) in Pieces::of(call.parts).enumerate() {
            for row in (0..call.rows).step_by(K::ROWS) {
                let rows = K::ROWS.min(call.rows - row);
                // SAFETY: row and column are within the call's sizes, so every pointer is valid by the contract.
                unsafe {
                    let tile = Tile {
                        piece,
                        row,
                        column,
                        width: vectors * K::LANES,
                        a_row: call.a_row,
                        a_step: call.a_step,
                        c: call.c.add(row * call.c_row + column),
                        c_row: call.c_row,
                        add: call.add || at > 0,
                    };
                    if columns == vectors * K::LANES {
                        sized::<K>(rows, vectors, tile);
                    } else {
                        narrow::<K>(rows, columns, vectors, tile);
                    }
                }
            }
        }
    }
}

/// A tile whose last vector reaches beyond C: computed in an array of its own, then copied.
///
/// # Safety
/// As for [`product`], for a tile of `rows` and `columns`.
#[inline(always)]
unsafe fn narrow<K: Kind>(rows: usize, columns: usize, vectors: usize, tile: Tile<'_>) {
    let mut beside = [0.0f32; LARGEST_TILE];
    let width = vectors * K::LANES;
    // SAFETY: the array holds the largest tile of all kinds; only `columns` numbers of a row go to C.
    unsafe {
        sized::<K>(
            rows,
            vectors,
            Tile { c: beside.as_mut_ptr(), c_row: width, add: false, ..tile },
        );
        for row in 0..rows {
            for column in 0..columns {
                let to = tile.c.add(row * tile.c_row + column);
                let value = beside[row * width + column];
                *to = if tile.add { *to + value } else { value };
            }
        }
    }
}

/// # Safety
/// As for [`product`], for a tile of `rows` and whole `vectors`.
#[inline(always)]
unsafe fn sized<K: Kind>(rows: usize, vectors: usize, t: Tile<'_>) {
    // SAFETY: by the contract; a kind's sizes are constants, so the compiler drops the cases that do not apply.
    unsafe {
        match vectors {
            1 => tall::<K, 1>(rows, t),
            2 if K::VECTORS >= 2 => tall::<K, 2>(rows, t),
            3 if K::VECTORS >= 3 => tall::<K, 3>(rows, t),
            _ => unreachable!("no kind has tiles this wide"),
        }
    }
}

/// # Safety
/// As for [`product`], for a tile of `rows` and `V` vectors.
#[inline(always)]
unsafe fn tall<K: Kind, const V: usize>(rows: usize, t: Tile<'_>) {
    // SAFETY: by the contract.
    unsafe {
        match rows {
            1 => tile::<K, 1, V>(t),
            2 => tile::<K, 2, V>(t),
            3 => tile::<K, 3, V>(t),
            4 => tile::<K, 4, V>(t),
            5 if K::ROWS >= 5 => tile::<K, 5, V>(t),
            6 if K::ROWS >= 6 => tile::<K, 6, V>(t),
            7 if K::ROWS >= 7 => tile::<K, 7, V>(t),
            8 if K::ROWS >= 8 => tile::<K, 8, V>(t),
            _ => unreachable!("no kind has tiles this tall"),
        }
    }
}

/// # Safety
/// As for [`product`], for a tile of `R` rows and `V` vectors.
#[inline(always)]
unsafe fn tile<K: Kind, const R: usize, const V: usize>(t: Tile<'_>) {
    // SAFETY: by the contract.
    unsafe {
        let mut sums = [[K::zero(); V]; R];
        for (part, from, words) in t.piece.parts() {
            let mut a = part.a.add(t.row * part.a_block + from * t.a_step);
            let mut b = part.b.add(t.column * part.b_words + from * t.width);
            for _ in 0..words {
                let mut columns = [K::zero(); V];
                for (j, column) in columns.iter_mut().enumerate() {
                    *column = K::load(b.add(j * K::LANES));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let row = K::splat(a.add(i * t.a_row));
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = K::mac(*sum, row, column);
                    }
                }
                a = a.wrapping_add(t.a_step);
                b = b.wrapping_add(V * K::LANES);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                let to = t.c.add(i * t.c_row + j * K::LANES);
                K::write(to, if t.add { K::add(K::read(to), sum) } else { sum });
            }
        }
    }
}
