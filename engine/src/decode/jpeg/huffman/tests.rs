use proptest::{collection::vec, prelude::*};

use super::{super::bits::Place, *};

fn counts(of: &[(usize, u8)]) -> [u8; 16] {
    let mut counts = [0; 16];
    for &(length, count) in of {
        counts[length - 1] = count;
    }
    counts
}

/// Bytes of zeros and ones; ones fill the last.
fn bytes(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
    let byte =
        |bits: &[u8]| (0..8).fold(0, |byte, i| byte << 1 | bits.get(i).copied().unwrap_or(1));
    bits.chunks(8).map(byte).collect()
}

/// Codes 00, 01, 100, 101 and a long one.
fn table() -> AcTable {
    let counts = counts(&[(2, 2), (3, 2), (12, 1)]);
    AcTable::new(Spec { counts: &counts, symbols: &[0x00, 0x01, 0xf0, 0x12, 0x0a] }).expect("codes")
}

/// The last place of a block in the file's order, and its coefficients with their places by rows.
type Read = (usize, Vec<(usize, i16)>);

/// So many blocks.
fn blocks(table: &AcTable, bits: &str, count: usize) -> Option<Vec<Read>> {
    let bytes = bytes(bits);
    let mut bits = Bits { bytes: &bytes, place: Place::default() };
    let read = |_| {
        let mut blocks = [[0; LANES]; BLOCK + 1];
        let last = table.read(&mut bits, &mut blocks, 3)?;
        assert!(
            blocks[..BLOCK]
                .iter()
                .all(|lanes| lanes.iter().enumerate().all(|(i, &x)| i == 3 || x == 0))
        );
        let places = blocks[..BLOCK].iter().map(|lanes| lanes[3]).enumerate();
        Some((last, places.filter(|&(_, number)| number != 0).collect()))
    };
    let read: Option<Vec<_>> = (0..count).map(read).collect();
    read.filter(|_| bits.place.is_end_of(bytes.len()))
}

#[test]
fn differences_by_hand() {
    let counts = counts(&[(2, 2), (3, 1)]);
    let table = DcTable::new(Spec { counts: &counts, symbols: &[2, 0, 3] }).expect("codes");
    let bytes = bytes("00 11, 00 00, 01, 100 101, 100 010".replace(',', "").as_str());
    let mut bits = Bits { bytes: &bytes, place: Place::default() };
    let differences: Option<Vec<_>> = (0..5).map(|_| table.difference(&mut bits)).collect();
    assert_eq!(differences, Some(vec![3, -3, 0, 5, -5]));
    assert!(bits.place.is_end_of(bytes.len()) && !bits.place.is_end_of(bytes.len() + 1));
    assert_eq!(table.difference(&mut bits), None, "no code begins with 11");
}

#[test]
fn coefficients_by_hand() {
    // 1 at once; -2 behind a zero; 16 zeros; 1023 by a long code; the end.
    let read = blocks(&table(), "01 1  101 01  100  110000000000 1111111111  00", 1);
    // The places 1, 3 and 20 of the file's order.
    assert_eq!(read, Some(vec![(20, vec![(1, 1), (16, -2), (40, 1023)])]));
    assert_eq!(
        blocks(&table(), "00 00 01 0 00", 3),
        Some(vec![(0, vec![]), (0, vec![]), (1, vec![(1, -1)])])
    );
}

#[test]
fn a_full_block_has_no_end() {
    let full = "01 1".repeat(63);
    let read = blocks(&table(), &format!("{full} 01 0 00"), 2).expect("two blocks");
    assert_eq!(read[0], (63, (1..64).map(|place| (place, 1)).collect()));
    assert_eq!(read[1], (1, vec![(1, -1)]));
}

#[test]
fn what_goes_beyond_a_block_is_refused() {
    assert_eq!(blocks(&table(), "100 100 100 100 00", 1), None);
    let almost = "01 1".repeat(62);
    assert!(blocks(&table(), &format!("{almost} 00"), 1).is_some());
    assert_eq!(blocks(&table(), &format!("{almost} 101 01 00"), 1), None);
    assert_eq!(blocks(&table(), &format!("{almost} 100 00"), 1), None);
}

#[test]
fn codes_that_cannot_be_told_apart_are_refused() {
    let spec = |counts: &[u8; 16]| DcTable::new(Spec { counts, symbols: &[0, 1, 2] }).is_some();
    assert!(spec(&counts(&[(1, 1), (2, 1), (3, 1)])));
    assert!(!spec(&counts(&[(1, 3)])));
    assert!(!spec(&counts(&[(1, 1), (2, 2)])), "all ones are no code");
    let symbols =
        |symbol| AcTable::new(Spec { counts: &counts(&[(1, 1)]), symbols: &[symbol] }).is_some();
    assert!(symbols(0xfa));
    assert!(!symbols(0xfb), "a coefficient of 11 bits");
    assert!(!symbols(0x30), "three zeros and no number");
}

/// The code of a symbol, by the definition.
fn code(counts: &[u8; 16], symbols: &[u8], wanted: u8) -> String {
    let (mut code, mut symbols) = (0, symbols.iter());
    for (length, &count) in (1..).zip(counts) {
        for _ in 0..count {
            if *symbols.next().expect("a symbol for each code") == wanted {
                return format!("{code:0length$b}");
            }
            code += 1;
        }
        code <<= 1;
    }
    panic!("no code for {wanted:x}")
}

proptest! {
    #[test]
    fn what_was_coded_is_read(
        shuffled in Just([vec![0x00, 0xf0], (0..160).map(|i| i / 10 * 16 + i % 10 + 1).collect()].concat()).prop_shuffle(),
        all in vec(vec((1usize..30, -1023i16..1024), 0..40), 1..4),
    ) {
        // 3 short codes, some of middle length, the rest long: 162 in all.
        let counts = counts(&[(2, 1), (4, 3), (6, 8), (9, 20), (13, 60), (16, 70)]);
        let table = AcTable::new(Spec { counts: &counts, symbols: &shuffled }).expect("codes");
        let (mut text, mut want) = (String::new(), Vec::new());
        for block in &all {
            let (mut place, mut coefficients) = (0, Vec::new());
            for &(skip, number) in block.iter().filter(|(_, number)| *number != 0) {
                if place + skip >= BLOCK {
                    break;
                }
                place += skip;
                (0..(skip - 1) / 16).for_each(|_| text += &code(&counts, &shuffled, 0xf0));
                let size = i16::BITS - number.unsigned_abs().leading_zeros();
                text += &code(&counts, &shuffled, ((skip - 1) % 16 * 16) as u8 + size as u8);
                let bits = if number > 0 { number } else { number + (1 << size) - 1 };
                text.extend((0..size).rev().map(|bit| if bits >> bit & 1 == 1 { '1' } else { '0' }));
                coefficients.push((usize::from(ZIGZAG[place]), number));
            }
            if place < BLOCK - 1 {
                text += &code(&counts, &shuffled, 0x00);
            }
            coefficients.sort_unstable();
            want.push((place, coefficients));
        }
        prop_assert_eq!(blocks(&table, &text, all.len()), Some(want));
    }
}
