//! The Netpbm formats: PBM (P1, P4), PGM (P2, P5) and PPM (P3, P6), as text or binary.
//!
//! Samples are scaled to 0 to 255, rounded to the nearest number; halves go to the even one, as in Pillow.

use shared::Rgb8;

use super::{DecodeError, Format, Room, grey_to_rgb, rgb};

const FORMAT: Format = Format::Pnm;

/// Decodes a Netpbm file to RGB.
pub(super) fn decode(bytes: &[u8], room: &Room) -> Result<Rgb8, DecodeError> {
    let kind = bytes[1];
    let mut reader = Reader { bytes, at: 2 };
    let (width, height) = (reader.number("width")?, reader.number("height")?);
    room.check(width, height)?;
    let bits = matches!(kind, b'1' | b'4');
    let most = if bits { 1 } else { reader.number("largest value")? };
    if most == 0 || most > u32::from(u16::MAX) {
        return Err(broken(format!("its largest value is {most}; 1 to 65535 are possible")));
    }
    let (width, height) = (width as usize, height as usize);
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    let count = width * height * channels;
    let data: Vec<u8> = match kind {
        b'1' => {
            // Digits need no blanks between them. One is black.
            let mut digits = Vec::new();
            while digits.len() < count {
                digits.push(match reader.visible()? {
                    b'0' => 255,
                    b'1' => 0,
                    other => return Err(broken(format!("{:?} is no bit", char::from(other)))),
                });
            }
            digits
        }
        b'4' => {
            let rows =
                reader.binary(width.div_ceil(8) * height)?.chunks_exact(width.div_ceil(8).max(1));
            let bit = |row: &[u8], x: usize| row[x / 8] >> (7 - x % 8) & 1;
            rows.flat_map(|row| (0..width).map(move |x| if bit(row, x) == 1 { 0 } else { 255 }))
                .collect()
        }
        b'2' | b'3' => {
            let mut samples = Vec::new();
            while samples.len() < count {
                let sample = reader.number("sample")?;
                if sample > most {
                    return Err(broken(format!(
                        "a sample is {sample}; the largest value is {most}"
                    )));
                }
                samples.push(scaled(sample, most));
            }
            samples
        }
        _ if most < 256 => {
            reader.binary(count)?.iter().map(|&sample| scaled(u32::from(sample), most)).collect()
        }
        _ => {
            let pairs = reader.binary(2 * count)?.as_chunks::<2>().0;
            pairs.iter().map(|&pair| scaled(u32::from(u16::from_be_bytes(pair)), most)).collect()
        }
    };
    rgb(width, height, if channels == 3 { data } else { grey_to_rgb(&data) }, FORMAT)
}

/// `255 * sample / most`, rounded; a sample above `most` is white.
fn scaled(sample: u32, most: u32) -> u8 {
    if most == 255 {
        return sample as u8;
    }
    (f64::from(sample) / f64::from(most) * 255.0).round_ties_even().min(255.0) as u8
}

fn broken(reason: String) -> DecodeError {
    DecodeError::Broken { format: FORMAT, reason }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is neither a blank nor part of a comment (`#` to the end of its line).
    fn visible(&mut self) -> Result<u8, DecodeError> {
        loop {
            let &byte = self.bytes.get(self.at).ok_or(DecodeError::Truncated { format: FORMAT })?;
            self.at += 1;
            if byte == b'#' {
                while self.bytes.get(self.at).is_some_and(|&byte| byte != b'\n' && byte != b'\r') {
                    self.at += 1;
                }
            } else if !byte.is_ascii_whitespace() {
                return Ok(byte);
            }
        }
    }

    /// The next number, and the byte behind it.
    fn number(&mut self, what: &str) -> Result<u32, DecodeError> {
        let wrong = || broken(format!("its {what} is no whole number"));
        let first = self.visible()?;
        let mut number = char::from(first).to_digit(10).ok_or_else(wrong)?;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte.is_ascii_whitespace() {
                break;
            }
            if byte == b'#' {
                self.at -= 1;
                break;
            }
            let digit = char::from(byte).to_digit(10).ok_or_else(wrong)?;
            number = number.checked_mul(10).and_then(|n| n.checked_add(digit)).ok_or_else(wrong)?;
        }
        Ok(number)
    }

    /// The next `count` bytes.
    fn binary(&self, count: usize) -> Result<&'a [u8], DecodeError> {
        self.bytes[self.at..].get(..count).ok_or(DecodeError::Truncated { format: FORMAT })
    }
}
