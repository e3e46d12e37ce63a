//! The inverse cosine transform of 8 x 8 coefficients, in whole numbers.
//!
//! Loeffler, Ligtenberg and Moschytz 1989, by the numbers and the roundings of libjpeg's accurate method, so the pixels are those of
//! libjpeg, of libjpeg-turbo and of Pillow, for all coefficients that pixels can have. Blocks are transformed many at once, each in a lane of its own.
#![expect(clippy::inline_always, reason = "a part of what is compiled for an instruction set")]

use std::{array::from_fn, num::Wrapping};

use super::header::BLOCK;

/// Blocks that are transformed at once.
pub(super) const LANES: usize = 16;
/// Pixels of a block's row.
pub(super) const SIDE: usize = 8;
/// Bits behind the point of a factor.
const FACTOR_BITS: usize = 13;
/// Bits behind the point between the passes.
const BETWEEN_BITS: usize = 2;
/// The last place, in the file's order, before one that lies outside of the first four rows and columns.
const LAST_NEAR: usize = 9;

/// What does not fit wraps around: only a damaged file has such numbers.
type Number = Wrapping<i32>;

/// Quantised coefficients of blocks side by side: by rows, and room for what lies beyond.
pub(super) type Blocks = [[i16; LANES]; BLOCK + 1];

/// Eight numbers from eight coefficients, with `SHIFT` fewer bits. With `NEAR` the last four coefficients are zero.
#[inline(always)]
fn line<const NEAR: bool, const SHIFT: usize>(input: impl Fn(usize) -> Number) -> [Number; SIDE] {
    let input = |i: usize| if NEAR && i >= SIDE / 2 { Wrapping(0) } else { input(i) };
    let times = |number: Number, factor: i32| number * Wrapping(factor);
    // Even coefficients.
    let turned = times(input(2) + input(6), 4433);
    let (low, high) = (turned - times(input(6), 15137), turned + times(input(2), 6270));
    let (sum, difference) =
        ((input(0) + input(4)) << FACTOR_BITS, (input(0) - input(4)) << FACTOR_BITS);
    let even = [sum + high, difference + low, difference - low, sum - high];
    // Odd ones.
    let outer = times(input(7) + input(1), -7373);
    let inner = times(input(5) + input(3), -20995);
    let (left, right) = (input(7) + input(3), input(5) + input(1));
    let both = times(left + right, 9633);
    let (left, right) = (both - times(left, 16069), both - times(right, 3196));
    let odd = [
        times(input(1), 12299) + outer + right,
        times(input(3), 25172) + inner + left,
        times(input(5), 16819) + inner + right,
        times(input(7), 2446) + outer + left,
    ];
    let half = Wrapping(1 << (SHIFT - 1));
    from_fn(|i| {
        let sum = if i < 4 { even[i] + odd[i] } else { even[SIDE - 1 - i] - odd[SIDE - 1 - i] };
        (sum + half) >> SHIFT
    })
}

/// The pixels of some blocks, from their quantised coefficients and the steps of these. `last`: the place of the last coefficient that
/// is not zero in all blocks, in the file's order. Calls `row` with the number of each row and the row of each block.
#[inline(always)]
pub(super) fn pixels(
    blocks: &Blocks,
    steps: &[i32; BLOCK],
    last: usize,
    row: impl FnMut(usize, [[u8; SIDE]; LANES]),
) {
    if last <= LAST_NEAR {
        transformed::<true>(blocks, steps, row);
    } else {
        transformed::<false>(blocks, steps, row);
    }
}

#[inline(always)]
fn transformed<const NEAR: bool>(
    blocks: &Blocks,
    steps: &[i32; BLOCK],
    mut row: impl FnMut(usize, [[u8; SIDE]; LANES]),
) {
    let mut between = [[0; LANES]; BLOCK];
    // Of zeros come zeros.
    for x in 0..if NEAR { SIDE / 2 } else { SIDE } {
        for lane in 0..LANES {
            let column = line::<NEAR, { FACTOR_BITS - BETWEEN_BITS }>(|y| {
                let at = y * SIDE + x;
                Wrapping(i32::from(blocks[at][lane])) * Wrapping(steps[at])
            });
            for (y, value) in column.into_iter().enumerate() {
                between[y * SIDE + x][lane] = value.0;
            }
        }
    }
    for (y, between) in between.as_chunks::<SIDE>().0.iter().enumerate() {
        let mut columns = [[0; LANES]; SIDE];
        for lane in 0..LANES {
            let pixels =
                line::<NEAR, { FACTOR_BITS + BETWEEN_BITS + 3 }>(|x| Wrapping(between[x][lane]));
            for (column, pixel) in columns.iter_mut().zip(pixels) {
                // Numbers around zero become pixels.
                column[lane] = (pixel.0.wrapping_add(128)).clamp(0, 255) as u8;
            }
        }
        row(y, turned(&columns));
    }
}

/// Columns of many blocks to rows of each.
#[inline(always)]
fn turned(columns: &[[u8; LANES]; SIDE]) -> [[u8; SIDE]; LANES] {
    let mut rows = [[0; SIDE]; LANES];
    for (half, rows) in rows.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let eight = |column: &[u8; LANES]| column.as_chunks::<SIDE>().0[half];
        let mut words: [u64; SIDE] = from_fn(|x| u64::from_le_bytes(eight(&columns[x])));
        // Fours of bytes change places, then twos, then single ones.
        for (step, low) in
            [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)]
        {
            for i in (0..SIDE).filter(|i| i & step == 0) {
                let (one, two) = (words[i], words[i + step]);
                words[i] = (one & low) | (two & low) << (8 * step);
                words[i + step] = (one >> (8 * step) & low) | (two & !low);
            }
        }
        *rows = words.map(u64::to_le_bytes);
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use proptest::{collection::vec, prelude::*};

    use super::{super::header::ZIGZAG, *};

    /// The pixels of one block, from coefficients in the file's order; the other lanes hold something else.
    fn block_pixels(
        coefficients: &[i16],
        steps: &[i32; BLOCK],
        last: usize,
        lane: usize,
    ) -> Vec<u8> {
        let mut blocks: Blocks = [[7; LANES]; BLOCK + 1];
        for (place, at) in ZIGZAG.into_iter().enumerate() {
            blocks[usize::from(at)][lane] = coefficients.get(place).copied().unwrap_or(0);
        }
        let mut out = Vec::new();
        pixels(&blocks, steps, last, |y, rows| {
            assert_eq!(y * SIDE, out.len());
            out.extend_from_slice(&rows[lane]);
        });
        out
    }

    #[test]
    fn blocks_by_hand() {
        // Three steps of 2 are 6 / 8 more than grey, rounded.
        assert_eq!(block_pixels(&[3], &[2; BLOCK], 0, 0), [129; BLOCK]);
        // 100 / (4 sqrt 2) cos((2 x + 1) pi / 16) = 17.34, 14.70, 9.82, 3.45 and back.
        let row = [145, 143, 138, 131, 125, 118, 113, 111];
        assert_eq!(block_pixels(&[0, 100], &[1; BLOCK], 1, 5), row.repeat(8));
        // The same from top to bottom.
        let column: Vec<u8> = row.iter().flat_map(|&pixel| [pixel; 8]).collect();
        assert_eq!(block_pixels(&[0, 0, 50], &[2; BLOCK], 2, 15), column);
    }

    /// T.81, A.3.3, in double precision.
    fn exact(coefficients: &[i16], x: usize, y: usize) -> f64 {
        let scale = |k: usize| if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let wave =
            |k: usize, at: usize| scale(k) * ((2 * at + 1) as f64 * k as f64 * PI / 16.0).cos();
        let term = |(&number, at): (&i16, u8)| {
            let (u, v) = (usize::from(at) % 8, usize::from(at) / 8);
            f64::from(number) * wave(u, x) * wave(v, y) / 4.0
        };
        128.0 + coefficients.iter().zip(ZIGZAG).map(term).sum::<f64>()
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(coefficients in vec(-60i16..60, 1..=BLOCK), lane in 0..LANES) {
            let last = coefficients.len() - 1;
            let got = block_pixels(&coefficients, &[1; BLOCK], last, lane);
            prop_assert_eq!(&got, &block_pixels(&coefficients, &[1; BLOCK], BLOCK - 1, lane));
            for (at, &got) in got.iter().enumerate() {
                let want = exact(&coefficients, at % 8, at / 8).clamp(0.0, 255.0);
                prop_assert!((f64::from(got) - want).abs() < 0.6, "{got} {want} at {at}");
            }
        }
    }
}
