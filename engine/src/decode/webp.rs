//! WebP files; of an animation the first picture.

use std::io::Cursor;

use ::image::codecs::webp::WebPDecoder;
use shared::{Rgb8, dataset::Transparency};

use super::{DecodeError, Format, Room, explained, pixels, rgb};

const FORMAT: Format = Format::WebP;

/// Decodes a WebP file to RGB.
pub(super) fn decode(
    bytes: &[u8],
    room: &Room,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    let decoder =
        WebPDecoder::new(Cursor::new(bytes)).map_err(|error| explained(FORMAT, room, error))?;
    let (width, height, data) = pixels(decoder, FORMAT, room, transparency)?;
    rgb(width, height, data, FORMAT)
}
