//! WebP files; of an animation the first picture.

use std::io::Cursor;

use ::image::{DynamicImage, ImageDecoder, codecs::webp::WebPDecoder};
use shared::{Rgb8, dataset::Transparency};

use super::{DecodeError, Format, Limits, explained, rgb, without_alpha};

const FORMAT: Format = Format::WebP;

/// Decodes a WebP file to RGB.
pub(super) fn decode(
    bytes: &[u8],
    limits: Limits,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    let failed = |error| explained(FORMAT, limits, error);
    let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    limits.check(width, height)?;
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let data = if image.color().has_alpha() {
        without_alpha(image.into_rgba8().as_raw(), transparency)
    } else {
        image.into_rgb8().into_raw()
    };
    rgb(width as usize, height as usize, data, FORMAT)
}
