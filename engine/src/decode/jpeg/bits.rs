//! Entropy-coded bytes as a stream of bits (T.81, annex F.2.2).
#![expect(clippy::inline_always, reason = "a part of what is compiled for an instruction set")]

use memchr::memchr;

/// The scan's bytes without what is put between them, cut at its restarts.
pub(super) struct Segments {
    bytes: Vec<u8>,
    /// Where each segment ends.
    ends: Vec<usize>,
}

impl Segments {
    /// Reads up to the end of the image. Nothing where another marker comes first, restarts are not numbered in turn, or there are
    /// not so many segments.
    pub fn read(scan: &[u8], count: usize) -> Option<Self> {
        let mut segments = Self { bytes: Vec::with_capacity(scan.len()), ends: Vec::new() };
        let mut rest = scan;
        loop {
            let marker = memchr(0xff, rest)?;
            segments.bytes.extend_from_slice(&rest[..marker]);
            let ended = segments.ends.len();
            match *rest.get(marker + 1)? {
                0 => segments.bytes.push(0xff),
                0xd9 => {
                    segments.ends.push(segments.bytes.len());
                    return (ended + 1 == count).then_some(segments);
                }
                restart if ended < count && usize::from(restart) == 0xd0 + ended % 8 => {
                    segments.ends.push(segments.bytes.len());
                }
                _ => return None,
            }
            rest = &rest[marker + 2..];
        }
    }

    /// The bytes of one of them.
    pub fn bytes(&self, segment: usize) -> &[u8] {
        let first = segment.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[first..self.ends[segment]]
    }
}

/// A segment's bits, most significant first; zeros behind its end.
pub(super) struct Bits<'a> {
    pub bytes: &'a [u8],
    pub place: Place,
}

/// A place among a segment's bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The first byte of which not all bits count.
    at: usize,
    /// The next bits, from the highest one on. Behind those that count stand zeros or, already, the bits that follow.
    held: u64,
    /// How many of them count.
    count: u32,
}

impl Bits<'_> {
    /// Bits that [`refill`](Self::refill) makes sure of.
    pub const HELD: u32 = 56;

    /// Holds at least [`HELD`](Self::HELD) bits.
    #[inline(always)]
    pub fn refill(&mut self) {
        let next = match self.bytes.get(self.place.at..) {
            Some([a, b, c, d, e, f, g, h, ..]) => {
                u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
            }
            rest => last_bytes(rest.unwrap_or_default()),
        };
        // Where bits that follow stand already, they are the same ones.
        self.place.held |= next >> self.place.count;
        self.place.at += ((63 - self.place.count) / 8) as usize;
        self.place.count |= Self::HELD;
    }

    /// The next `count` bits, 1 to 32 of those held.
    #[inline(always)]
    pub fn peek(&self, count: u32) -> usize {
        (self.place.held >> (64 - count)) as usize
    }

    /// Goes on by `count` of the bits held.
    #[inline(always)]
    pub fn drop(&mut self, count: u32) {
        self.place.held <<= count;
        self.place.count -= count;
    }

    /// A number of `size` bits, up to 16 of those held.
    #[inline(always)]
    pub fn number(&mut self, size: u32) -> i32 {
        let number = number(self.place.held, size);
        self.drop(size);
        number
    }
}

impl Place {
    /// Whether more bits were taken than so many bytes have.
    pub fn is_beyond(self, bytes: usize) -> bool {
        self.at * 8 > bytes * 8 + self.count as usize
    }

    /// Whether all bits of so many bytes were taken, but for those that fill the last one.
    pub fn is_end_of(self, bytes: usize) -> bool {
        (self.at * 8 - self.count as usize).div_ceil(8) == bytes
    }
}

/// The number that the highest `size` bits stand for: the lower half of the numbers of so many bits are the negative ones (T.81, figure
/// F.12). Without a branch, for no sign can be foretold.
#[inline(always)]
pub(super) fn number(held: u64, size: u32) -> i32 {
    let positive = (held as i64 >> 63) as i32;
    let bits = (held >> 1 >> (63 - size)) as i32;
    bits - (!positive & ((1 << size) - 1))
}

/// Less than eight bytes, and zeros behind them.
#[cold]
fn last_bytes(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_by_hand() {
        let scan = [1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xd1, 0xff, 0, 0xff, 0xd9, 7];
        let segments = Segments::read(&scan, 3).expect("three segments");
        let bytes = [0, 1, 2].map(|i| segments.bytes(i));
        assert_eq!(bytes, [&[1, 0xff, 2][..], &[3], &[0xff]]);
        for (damaged, count) in [
            (&scan[..], 2),
            (&scan, 4),
            (&scan[..12], 3),
            (&scan[..10], 3),
            (&[1, 0xff, 0xd1, 0xff, 0xd9], 2),
            (&[1, 0xff, 0xda, 0xff, 0xd9], 2),
        ] {
            assert!(Segments::read(damaged, count).is_none(), "{damaged:x?}, {count}");
        }
    }

    #[test]
    fn bits_are_taken_across_refills() {
        let bytes: Vec<u8> = (0..40u8).map(|i| i.wrapping_mul(37)).collect();
        let mut bits = Bits { bytes: &bytes, place: Place::default() };
        let all: Vec<_> = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
        let all = all.concat();
        let mut at = 0;
        for length in (1..=26).cycle() {
            if at + length > all.len() {
                break;
            }
            bits.refill();
            assert_eq!(format!("{:01$b}", bits.peek(length as u32), length), all[at..at + length]);
            bits.drop(length as u32);
            at += length;
        }
        assert!(!bits.place.is_beyond(bytes.len()));
        bits.refill();
        bits.drop(56);
        bits.refill();
        assert_eq!(bits.peek(16), 0, "zeros behind the end");
        assert!(bits.place.is_beyond(bytes.len()));
    }
}
