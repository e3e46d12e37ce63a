//! Packing of a matrix that is stored column by column: square blocks are transposed in registers.
#![expect(unsafe_code, reason = "vector instructions, and pointers into a panel")]
#![expect(clippy::inline_always, reason = "compiled for the instruction set of the caller")]

use std::{
    arch::x86_64::{
        __m256i, __m512bh, __m512i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256,
        _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
        _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
        _mm512_add_epi32, _mm512_and_si512, _mm512_cvtne2ps_pbh, _mm512_loadu_ps,
        _mm512_loadu_si512, _mm512_set1_epi32, _mm512_shuffle_i32x4, _mm512_srli_epi32,
        _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
        _mm512_unpacklo_epi64,
    },
    array::from_fn,
};

use super::{kind::Format, pack::Panel, path::Path};

/// Fills the part of a panel that whole blocks cover, and returns its columns and rows of words.
pub(super) fn pack_blocks(panel: Panel<'_>, out: &mut [u32]) -> (usize, usize) {
    let Panel { path, matrix, width, format, .. } = panel;
    assert!(matrix.row_stride == 1, "the matrix is stored column by column");
    assert!(format.words(matrix.rows) * width <= out.len(), "the panel fits");
    // SAFETY: the processor supports the path, as everywhere in packing; columns are within the matrix, which was checked against its
    // slice when it was made, and blocks are within the panel.
    unsafe {
        match (path, format) {
            (Path::Avx2, Format::Single) => avx2::<Plain>(panel, out),
            (Path::Avx2, Format::Rounded) => avx2::<Rounded>(panel, out),
            (Path::Avx512 | Path::Avx512Bf16 | Path::Amx, Format::Single) => {
                avx512::<Plain>(panel, out)
            }
            (Path::Avx512 | Path::Avx512Bf16 | Path::Amx, Format::Rounded) => {
                avx512::<Rounded>(panel, out)
            }
            (Path::Avx512Bf16 | Path::Amx, Format::Pairs | Format::Squares) => {
                avx512_bf16(panel, out)
            }
            (Path::Portable, _) | (Path::Avx2 | Path::Avx512, Format::Pairs | Format::Squares) => {
                (0, 0)
            }
        }
    }
}

/// # Safety
/// As for [`Block`]; the panel's columns are stored one after the other and fit into `out`.
#[inline(always)]
unsafe fn blocks<B: Block>(panel: Panel<'_>, out: &mut [u32]) -> (usize, usize) {
    let Panel { matrix: b, first, width, .. } = panel;
    let columns = panel.valid() / B::SIDE * B::SIDE;
    let words = b.rows / B::NUMBERS / B::SIDE * B::SIDE;
    for word in (0..words).step_by(B::SIDE) {
        for column in (0..columns).step_by(B::SIDE) {
            // SAFETY: by the contract.
            unsafe {
                let from = b.data.as_ptr().add((first + column) * b.column_stride);
                let to = out.as_mut_ptr().add(word * width + column);
                B::turn(from.add(word * B::NUMBERS), b.column_stride, to, width);
            }
        }
    }
    (columns, words)
}

/// # Safety
/// The processor has AVX2; otherwise as for [`blocks`].
#[target_feature(enable = "avx2")]
unsafe fn avx2<W: Word>(panel: Panel<'_>, out: &mut [u32]) -> (usize, usize) {
    // SAFETY: by the contract.
    unsafe { blocks::<Block8<W>>(panel, out) }
}

/// # Safety
/// The processor has AVX-512; otherwise as for [`blocks`].
#[target_feature(enable = "avx512f")]
unsafe fn avx512<W: Word>(panel: Panel<'_>, out: &mut [u32]) -> (usize, usize) {
    // SAFETY: by the contract.
    unsafe { blocks::<Block16<W>>(panel, out) }
}

/// # Safety
/// The processor has AVX-512 with bf16; otherwise as for [`blocks`].
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn avx512_bf16(panel: Panel<'_>, out: &mut [u32]) -> (usize, usize) {
    // SAFETY: by the contract.
    unsafe { blocks::<BlockOfPairs>(panel, out) }
}

/// Transposes squares of 16 x 16 words in place. The processor supports the path, which includes AVX-512.
pub(super) fn turn_squares(path: Path, words: &mut [u32]) {
    /// # Safety
    /// The processor has AVX-512.
    #[target_feature(enable = "avx512f")]
    unsafe fn turn(words: &mut [u32]) {
        for square in words.as_chunks_mut::<256>().0 {
            // SAFETY: by the contract; a square has 16 rows of 16 words.
            unsafe {
                let rows = from_fn(|i| _mm512_loadu_si512(square.as_ptr().add(16 * i).cast()));
                turn16(rows, square.as_mut_ptr(), 16);
            }
        }
    }
    assert!(path >= Path::Avx512, "{path} cannot transpose squares");
    // SAFETY: the caller has asserted that the processor supports the path, which includes AVX-512.
    unsafe { turn(words) }
}

/// A square of `SIDE` x `SIDE` words.
///
/// # Safety
/// The processor has its instruction set.
trait Block {
    const SIDE: usize;
    /// Numbers in a word.
    const NUMBERS: usize;

    /// Transposes columns that begin `stride` numbers apart into rows that begin `width` words apart.
    unsafe fn turn(from: *const f32, stride: usize, to: *mut u32, width: usize);
}

/// How a number becomes a word.
trait Word {
    const ROUNDS: bool;
}
struct Plain;
struct Rounded;
impl Word for Plain {
    const ROUNDS: bool = false;
}
impl Word for Rounded {
    const ROUNDS: bool = true;
}

struct Block8<W>(W);
struct Block16<W>(W);
struct BlockOfPairs;

impl<W: Word> Block for Block8<W> {
    const SIDE: usize = 8;
    const NUMBERS: usize = 1;

    #[inline(always)]
    unsafe fn turn(from: *const f32, stride: usize, to: *mut u32, width: usize) {
        // SAFETY: by the trait's contract; the caller's pointers are valid for 8 columns and 8 rows.
        unsafe {
            let columns: [__m256i; 8] = from_fn(|i| {
                let bits = _mm256_loadu_si256(from.add(i * stride).cast());
                if W::ROUNDS {
                    // Like `high` in `pack`.
                    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
                    let up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
                    let high = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
                    _mm256_and_si256(_mm256_add_epi32(bits, up), high)
                } else {
                    bits
                }
            });
            let pairs: [__m256i; 8] = from_fn(|i| {
                let (a, b) = (columns[i & !1], columns[i | 1]);
                if i & 1 == 0 { _mm256_unpacklo_epi32(a, b) } else { _mm256_unpackhi_epi32(a, b) }
            });
            // Each half holds four columns of one row.
            let fours: [__m256i; 8] = from_fn(|i| {
                let (group, row) = (i & !3, i & 3);
                let (a, b) = (pairs[group + row / 2], pairs[group + 2 + row / 2]);
                if row & 1 == 0 { _mm256_unpacklo_epi64(a, b) } else { _mm256_unpackhi_epi64(a, b) }
            });
            for row in 0..4 {
                let (a, b) = (fours[row], fours[4 + row]);
                let low = _mm256_permute2x128_si256::<0x20>(a, b);
                let high = _mm256_permute2x128_si256::<0x31>(a, b);
                _mm256_storeu_si256(to.add(row * width).cast(), low);
                _mm256_storeu_si256(to.add((4 + row) * width).cast(), high);
            }
        }
    }
}

impl<W: Word> Block for Block16<W> {
    const SIDE: usize = 16;
    const NUMBERS: usize = 1;

    #[inline(always)]
    unsafe fn turn(from: *const f32, stride: usize, to: *mut u32, width: usize) {
        // SAFETY: by the trait's contract; the caller's pointers are valid for 16 columns and 16 rows.
        unsafe {
            let columns = from_fn(|i| {
                let bits = _mm512_loadu_si512(from.add(i * stride).cast());
                if W::ROUNDS {
                    // Like `high` in `pack`.
                    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                    let up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
                    let high = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
                    _mm512_and_si512(_mm512_add_epi32(bits, up), high)
                } else {
                    bits
                }
            });
            turn16(columns, to, width);
        }
    }
}

impl Block for BlockOfPairs {
    const SIDE: usize = 16;
    const NUMBERS: usize = 2;

    #[inline(always)]
    unsafe fn turn(from: *const f32, stride: usize, to: *mut u32, width: usize) {
        // SAFETY: by the trait's contract; the caller's pointers are valid for 16 columns of 32 numbers and 16 rows; a vector of
        // bf16 is plain bits.
        unsafe {
            let columns = from_fn(|i| {
                let from = from.add(i * stride);
                let [low, high] = [_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(16))];
                std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low))
            });
            turn16(columns, to, width);
        }
    }
}

/// Writes 16 columns as rows that begin `width` words apart.
///
/// # Safety
/// The processor has AVX-512; all rows can be written.
#[inline(always)]
unsafe fn turn16(columns: [__m512i; 16], to: *mut u32, width: usize) {
    // SAFETY: by the contract.
    unsafe {
        let pairs: [__m512i; 16] = from_fn(|i| {
            let (a, b) = (columns[i & !1], columns[i | 1]);
            if i & 1 == 0 { _mm512_unpacklo_epi32(a, b) } else { _mm512_unpackhi_epi32(a, b) }
        });
        // Each quarter holds four columns of one row: row `i & 3` in the first, 4 rows further in each next quarter.
        let fours: [__m512i; 16] = from_fn(|i| {
            let (group, row) = (i & !3, i & 3);
            let (a, b) = (pairs[group + row / 2], pairs[group + 2 + row / 2]);
            if row & 1 == 0 { _mm512_unpacklo_epi64(a, b) } else { _mm512_unpackhi_epi64(a, b) }
        });
        for row in 0..4 {
            let [a, b, c, d] = from_fn(|group| fours[4 * group + row]);
            let even = [(a, b), (c, d)].map(|(a, b)| _mm512_shuffle_i32x4::<0x88>(a, b));
            let odd = [(a, b), (c, d)].map(|(a, b)| _mm512_shuffle_i32x4::<0xdd>(a, b));
            let quarters = [
                _mm512_shuffle_i32x4::<0x88>(even[0], even[1]),
                _mm512_shuffle_i32x4::<0x88>(odd[0], odd[1]),
                _mm512_shuffle_i32x4::<0xdd>(even[0], even[1]),
                _mm512_shuffle_i32x4::<0xdd>(odd[0], odd[1]),
            ];
            for (quarter, &words) in quarters.iter().enumerate() {
                _mm512_storeu_si512(to.add((4 * quarter + row) * width).cast(), words);
            }
        }
    }
}
