//! Huffman codes of coefficients (T.81, annexes C and F.2.2).
#![expect(clippy::inline_always, reason = "a part of what is compiled for an instruction set")]

use super::{
    bits::{Bits, number},
    header::{BLOCK, ZIGZAG},
    idct::{Blocks, LANES},
};

/// Bits that are looked up at once.
const LOOK: u32 = 10;
/// Bits of the longest code.
const LONGEST: u32 = 16;

/// A table as the file tells it: how many codes of 1, 2, ... 16 bits there are, and their symbols.
#[derive(Clone, Copy)]
pub(super) struct Spec<'a> {
    pub counts: &'a [u8; LONGEST as usize],
    pub symbols: &'a [u8],
}

/// Finds a code's symbol.
struct Codes {
    /// By the next [`LOOK`] bits: length of the code in the upper half, symbol in the lower; 0 for a longer code.
    short: [u16; 1 << LOOK],
    /// For each length: the first 16 bits behind its codes, and what is added to a code for its place among the symbols.
    long: [(u32, i32); LONGEST as usize + 1],
    symbols: Vec<u8>,
}

impl Codes {
    /// Nothing where there are more codes than so many bits can tell apart; all ones are no code.
    fn new(spec: Spec<'_>) -> Option<Self> {
        let mut codes = Self {
            short: [0; 1 << LOOK],
            long: [(0, 0); LONGEST as usize + 1],
            symbols: spec.symbols.to_vec(),
        };
        let (mut code, mut place) = (0u32, 0usize);
        for (length, &count) in (1..).zip(spec.counts) {
            code <<= 1;
            codes.long[length as usize].1 = place as i32 - code as i32;
            if count > 0 && code + u32::from(count) >= 1 << length {
                return None;
            }
            for &symbol in &spec.symbols[place..][..usize::from(count)] {
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    codes.short[first..first + (1 << (LOOK - length))]
                        .fill((length as u16) << 8 | u16::from(symbol));
                }
                code += 1;
            }
            place += usize::from(count);
            codes.long[length as usize].0 = code << (LONGEST - length);
        }
        Some(codes)
    }

    /// The next code's symbol, taken from the bits held. Nothing where no code begins so.
    #[inline(always)]
    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let short = self.short[bits.peek(LOOK)];
        let (length, symbol) = if short != 0 {
            (u32::from(short >> 8), short as u8)
        } else {
            // By value: what has no address stays in registers.
            self.long_symbol(bits.peek(LONGEST) as u32)?
        };
        bits.drop(length);
        Some(symbol)
    }

    /// Length and symbol of the code that these 16 bits begin with.
    #[cold]
    fn long_symbol(&self, next: u32) -> Option<(u32, u8)> {
        let length = (LOOK + 1..=LONGEST).find(|&length| next < self.long[length as usize].0)?;
        let code = (next >> (LONGEST - length)) as i32;
        let place = usize::try_from(code + self.long[length as usize].1).ok()?;
        Some((length, *self.symbols.get(place)?))
    }
}

/// Codes of the differences between blocks' means.
pub(super) struct DcTable(Codes);

impl DcTable {
    /// Largest size of a difference.
    const LARGEST: u8 = 11;

    pub fn new(spec: Spec<'_>) -> Option<Self> {
        spec.symbols.iter().all(|&size| size <= Self::LARGEST).then_some(())?;
        Codes::new(spec).map(Self)
    }

    /// The next difference.
    #[inline(always)]
    pub fn difference(&self, bits: &mut Bits<'_>) -> Option<i32> {
        bits.refill();
        let size = self.0.symbol(bits)?;
        Some(bits.number(u32::from(size)))
    }
}

/// Codes of the other coefficients.
pub(super) struct AcTable {
    /// By the next [`LOOK`] bits.
    found: [Found; 1 << LOOK],
    codes: Codes,
}

/// What the next [`LOOK`] bits are: one code and its number, or two.
#[derive(Clone, Copy, Default)]
struct Found {
    /// The second one is the first one again where there is only one.
    numbers: [i16; 2],
    /// Places that each goes on by.
    skips: [u8; 2],
    /// Bits of all of this; 0 where not even one is here.
    bits: u8,
}

/// Places to go on by at the end of a block: beyond all places, so that the one before can be told.
const END: u8 = 128;
/// As many places as a byte can tell: behind the block's all are one that nobody reads.
const PLACES: [u8; 256] = {
    let mut places = [BLOCK as u8; 256];
    let mut i = 0;
    while i < BLOCK {
        places[i] = ZIGZAG[i];
        i += 1;
    }
    places
};

impl AcTable {
    /// Largest size of a coefficient.
    const LARGEST: u8 = 10;

    pub fn new(spec: Spec<'_>) -> Option<Self> {
        let known = |&symbol: &u8| match symbol & 15 {
            0 => matches!(symbol, 0 | 0xf0),
            size => size <= Self::LARGEST,
        };
        spec.symbols.iter().all(known).then_some(())?;
        let codes = Codes::new(spec)?;
        let mut all = [Found::default(); 1 << LOOK];
        for (next, (found, &short)) in (0..).zip(all.iter_mut().zip(&codes.short)) {
            let (length, symbol) = (u32::from(short >> 8), short as u8);
            let size = u32::from(symbol & 15);
            if (1..=LOOK - size).contains(&length) {
                let number = number(next << (u64::BITS - LOOK) << length, size) as i16;
                let bits = (length + size) as u8;
                *found = Found { numbers: [number; 2], skips: [skipped(symbol), 0], bits };
            }
        }
        let single = all;
        for (next, found) in all.iter_mut().enumerate() {
            let left = LOOK.saturating_sub(u32::from(found.bits));
            // Whether the first one ends within the bits, and not the block; and the second one, too.
            let second = single[(next << found.bits) & ((1 << LOOK) - 1)];
            let ends = (1..=left).contains(&u32::from(second.bits));
            if found.bits > 0 && found.skips[0] < END && ends {
                found.numbers[1] = second.numbers[0];
                found.skips[1] = second.skips[0];
                found.bits += second.bits;
            }
        }
        Some(Self { found: all, codes })
    }

    /// Reads a block's coefficients but the first into a lane. Returns the place of the last one in the file's order.
    #[inline(always)]
    pub fn read(&self, bits: &mut Bits<'_>, blocks: &mut Blocks, lane: usize) -> Option<usize> {
        let lane = lane % LANES;
        let mut place = 0;
        loop {
            bits.refill();
            // Two of them take 2 x (16 + 10) bits at most.
            const { assert!(Bits::HELD >= 2 * (LONGEST + AcTable::LARGEST as u32)) };
            place = self.step(bits, blocks, lane, place)?;
            if place >= BLOCK - 1 {
                break;
            }
            place = self.step(bits, blocks, lane, place)?;
            if place >= BLOCK - 1 {
                break;
            }
        }
        let last = place.checked_sub(usize::from(END)).unwrap_or(place);
        (last < BLOCK).then_some(last)
    }

    /// The place behind `place` that the next codes lead to; their numbers are written on the way.
    #[inline(always)]
    fn step(
        &self,
        bits: &mut Bits<'_>,
        blocks: &mut Blocks,
        lane: usize,
        place: usize,
    ) -> Option<usize> {
        let mut write =
            |place: usize, number| blocks[usize::from(PLACES[place & 0xff])][lane] = number;
        let found = self.found[bits.peek(LOOK)];
        let [one, two] = found.skips.map(usize::from);
        // A block that the first one fills ends there.
        if found.bits == 0 || place + one == BLOCK - 1 {
            let symbol = self.codes.symbol(bits)?;
            let place = place + usize::from(skipped(symbol));
            write(place, bits.number(u32::from(symbol & 15)) as i16);
            return Some(place);
        }
        bits.drop(u32::from(found.bits));
        write(place + one, found.numbers[0]);
        write(place + one + two, found.numbers[1]);
        Some(place + one + two)
    }
}

/// Places that a symbol goes on by: its run of zeros and the number behind them, 16 zeros, or to the end.
#[inline(always)]
fn skipped(symbol: u8) -> u8 {
    if symbol == 0 { END } else { (symbol >> 4) + 1 }
}

#[cfg(test)]
mod tests;
