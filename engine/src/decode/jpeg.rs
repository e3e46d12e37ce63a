//! JPEG files.
//!
//! Baseline files of the usual kinds, which nearly all photographs are, go through our own decoder ([`baseline`]). libjpeg reads all
//! others ([`library`]): progressive files, several scans, arithmetic coding, inks, rare samplings. Both give the pixels that Pillow
//! gives, which decodes with libjpeg as well.

mod baseline;
mod bits;
mod colour;
mod component;
mod header;
mod huffman;
mod idct;
mod known;
mod library;

use kernel::Path;
use shared::Rgb8;

use super::{DecodeError, Format, Room, rgb};

const FORMAT: Format = Format::Jpeg;

/// Decodes a JPEG file to RGB.
pub(super) fn decode(bytes: &[u8], room: &Room) -> Result<Rgb8, DecodeError> {
    match baseline::decode(Path::fastest(), bytes, room) {
        Some(image) => Ok(image),
        None => library::decode(bytes, room),
    }
}
