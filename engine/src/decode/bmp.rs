//! BMP files.

use std::io::Cursor;

use ::image::codecs::bmp::BmpDecoder;
use shared::{Rgb8, dataset::Transparency};

use super::{DecodeError, Format, Room, explained, pixels, rgb};

const FORMAT: Format = Format::Bmp;

/// Decodes a BMP file to RGB.
pub(super) fn decode(
    bytes: &[u8],
    room: &Room,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    let decoder =
        BmpDecoder::new(Cursor::new(bytes)).map_err(|error| explained(FORMAT, room, error))?;
    let (width, height, data) = pixels(decoder, FORMAT, room, transparency)?;
    let data = match sample_bits(bytes) {
        Some(bits) => rounded_down(data, bits),
        None => data,
    };
    rgb(width, height, data, FORMAT)
}

/// The bits of red, green and blue in a file of 16 bits a pixel.
fn sample_bits(bytes: &[u8]) -> Option<[u32; 3]> {
    const HEADER_LENGTH: usize = 14;
    const BITS_PER_PIXEL: usize = 28;
    const COMPRESSION: usize = 30;
    const GREEN_MASK: usize = 58;
    let has = |at: usize, value: &[u8]| bytes.get(at..at + value.len()) == Some(value);
    // The oldest header is shorter, and has none of 16 bits.
    if has(HEADER_LENGTH, &[12, 0, 0, 0]) || !has(BITS_PER_PIXEL, &[16, 0]) {
        return None;
    }
    let six = has(COMPRESSION, &[3, 0, 0, 0]) && has(GREEN_MASK, &0x7e0u32.to_le_bytes());
    Some([5, if six { 6 } else { 5 }, 5])
}

/// Samples of few bits, which the decoder rounds to the nearest of 0 to 255, rounded down as Pillow does.
fn rounded_down(data: Vec<u8>, bits: [u32; 3]) -> Vec<u8> {
    let most = bits.map(|bits| (1u32 << bits) - 1);
    let again =
        |(sample, most): (u8, u32)| ((u32::from(sample) * most + 127) / 255 * 255 / most) as u8;
    data.into_iter().zip(most.into_iter().cycle()).map(again).collect()
}
