//! The instruction sets that tiles are written for.
#![expect(unsafe_code, reason = "what a kind requires of its caller")]

use super::{
    path::{Kernels, Path, Precision},
    tile::Call,
};

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(target_arch = "x86_64")]
pub(crate) mod rounding;

/// Vectors of one instruction set, and the size of the tile that fits its registers.
///
/// It multiplies words that are `f32` numbers, or pairs of bf16 numbers whose two products are both added
/// ([`Format::Pairs`]).
///
/// # Safety
/// The processor must have the instruction set when a function is called; pointers must be valid for as many numbers as a vector
/// has (one for [`splat`](Self::splat)), aligned or not.
pub(super) trait Kind {
    /// `LANES` numbers.
    type Vector: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a tile.
    const ROWS: usize;
    /// Vectors in a tile's row.
    const VECTORS: usize;

    /// All zero.
    unsafe fn zero() -> Self::Vector;
    /// Reads words.
    unsafe fn load(words: *const u32) -> Self::Vector;
    /// One word in all lanes.
    unsafe fn splat(word: *const u32) -> Self::Vector;
    /// `sum + a b`, for both halves where words are pairs.
    unsafe fn mac(sum: Self::Vector, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// Reads numbers.
    unsafe fn read(numbers: *const f32) -> Self::Vector;
    /// Writes numbers.
    unsafe fn write(numbers: *mut f32, values: Self::Vector);
    /// `a + b`
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
}

/// Side of a square in words.
pub(super) const SQUARE: usize = 16;

/// What a word holds, and how panels are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A number.
    Single,
    /// A number, rounded to bf16.
    Rounded,
    /// Two bf16 numbers that follow each other in the inner dimension, the first in the lower half.
    Pairs,
    /// Pairs, with the inner dimension padded with zeros to whole squares of 16 words. In panels of the left factor each square is
    /// transposed: row by row.
    Squares,
}

impl Format {
    /// Words that `inner` numbers of the inner dimension take.
    pub fn words(self, inner: usize) -> usize {
        match self {
            Self::Single | Self::Rounded => inner,
            Self::Pairs => inner.div_ceil(2),
            Self::Squares => inner.div_ceil(2).next_multiple_of(SQUARE),
        }
    }

    /// Numbers in a word.
    pub fn numbers(self) -> usize {
        if matches!(self, Self::Single | Self::Rounded) { 1 } else { 2 }
    }

    /// Words from one row to the next in the left factor's panels of `tall` rows, and from one word of a row to the next; for squares
    /// the latter is a 16th of the step to the next square.
    pub fn left_steps(self, tall: usize) -> (usize, usize) {
        if self == Self::Squares { (SQUARE, tall) } else { (1, tall) }
    }
}

/// What the driver knows about a kind.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Rows of a tile.
    pub rows: usize,
    /// Columns of a tile.
    pub columns: usize,
    /// Columns of the narrowest tile.
    pub lanes: usize,
    /// Computes a product. The processor must have the kind's instruction set.
    pub run: unsafe fn(&Call<'_>),
}

/// Declares the [`Entry`] of a [`Kind`], with a function compiled for its instruction set.
macro_rules! entry {
    ($name:ident, $run:ident, $kind:ty $(, $features:literal)?) => {
        pub(super) const $name: crate::kind::Entry = crate::kind::Entry {
            rows: <$kind as crate::kind::Kind>::ROWS,
            columns: <$kind as crate::kind::Kind>::LANES
                * <$kind as crate::kind::Kind>::VECTORS,
            lanes: <$kind as crate::kind::Kind>::LANES,
            run: $run,
        };

        /// # Safety
        /// The processor has the instruction set, and the call's pointers are valid for its sizes.
        $(#[target_feature(enable = $features)])?
        unsafe fn $run(call: &crate::tile::Call<'_>) {
            // SAFETY: by this function's own contract.
            unsafe { crate::tile::product::<$kind>(call) }
        }
    };
}
use entry;

/// The tiles of these kernels and the format that they multiply. Without an instruction for pairs, numbers rounded to bf16 are
/// multiplied in single precision; the products are the same.
pub(super) fn entry_of(Kernels { path, precision }: Kernels) -> (Entry, Format) {
    #[cfg(target_arch = "x86_64")]
    let (entry, pairs) = match path {
        Path::Portable => (portable::SINGLE, None),
        Path::Avx2 => (avx2::SINGLE, None),
        Path::Avx512 => (avx512::SINGLE, None),
        Path::Avx512Bf16 => (avx512::SINGLE, Some((avx512::PAIRS, Format::Pairs))),
        Path::Amx => (avx512::SINGLE, Some((amx::PAIRS, Format::Squares))),
    };
    #[cfg(not(target_arch = "x86_64"))]
    let (entry, pairs) = (portable::SINGLE, None::<(Entry, Format)>);
    match (precision, pairs) {
        (Precision::F32, _) => (entry, Format::Single),
        (Precision::Bf16, None) => (entry, Format::Rounded),
        (Precision::Bf16, Some(pairs)) => pairs,
    }
}
