//! Image files to RGB8 pixels, and RGB8 pixels to PNG files.
//!
//! The content decides the format, never the file's name. A header's size is checked before memory for the pixels is
//! taken. Every image becomes the RGB8 pixels that Pillow's `convert("RGB")`, and so torchvision's loader, gives: grey and palette
//! images are looked up, inks become light, orientation tags and colour profiles are ignored, alpha is dropped unless
//! [`Transparency::White`] is asked for. One thing differs on purpose: of 16-bit samples the high byte is taken everywhere, where
//! Pillow cuts 16-bit grey at 255 and turns nearly every such picture white.

mod bmp;
mod error;
mod gif;
mod jpeg;
mod png;
mod pnm;
mod room;
mod tiff;
mod webp;

use ::image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, codecs::png as png_file,
    error::ImageError,
};
use shared::{Rgb8, dataset::Transparency};

pub use error::{DecodeError, FORMATS, Format};
pub use room::Room;

/// What an image file may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of an image.
    pub max_pixels: u64,
    /// Most bytes of a file.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// 64 megapixels in 64 MiB.
    fn default() -> Self {
        Self { max_pixels: 64_000_000, max_bytes: 64 << 20 }
    }
}

/// Decodes an image file of one of the [`Format`]s.
///
/// # Errors
/// When the bytes are no whole image of one of these formats within the limits.
pub fn decode(
    bytes: &[u8],
    limits: Limits,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    decode_in(bytes, &Room::new(limits), transparency)
}

fn decode_in(bytes: &[u8], room: &Room, transparency: Transparency) -> Result<Rgb8, DecodeError> {
    let max = room.limits().max_bytes;
    if bytes.len() as u64 > max {
        return Err(DecodeError::TooLong { bytes: bytes.len() as u64, max });
    }
    match Format::of(bytes)? {
        Format::Jpeg => jpeg::decode(bytes, room),
        Format::Png => png::decode(bytes, room, transparency),
        Format::WebP => webp::decode(bytes, room, transparency),
        Format::Gif => gif::decode(bytes, room, transparency),
        Format::Bmp => bmp::decode(bytes, room, transparency),
        Format::Tiff => tiff::decode(bytes, room, transparency),
        Format::Pnm => pnm::decode(bytes, room),
    }
}

/// Writes an image as a PNG file.
pub fn encode_png(image: &Rgb8) -> Vec<u8> {
    let mut file = Vec::new();
    png_file::PngEncoder::new_with_quality(
        &mut file,
        png_file::CompressionType::Default,
        png_file::FilterType::Adaptive,
    )
    .write_image(image.data(), image.width() as u32, image.height() as u32, ExtendedColorType::Rgb8)
    .expect("memory takes every byte, and an Rgb8 has the bytes of its size");
    file
}

/// Width, height and RGB pixels from a decoder of the `image` crate.
fn pixels(
    decoder: impl ImageDecoder,
    format: Format,
    room: &Room,
    transparency: Transparency,
) -> Result<(usize, usize, Vec<u8>), DecodeError> {
    let (width, height) = decoder.dimensions();
    room.check(width, height)?;
    let image = DynamicImage::from_decoder(decoder);
    let image = image.map_err(|error| explained(format, room, error))?;
    let data = if image.color().has_alpha() {
        without_alpha(image.into_rgba8().into_raw(), transparency)
    } else {
        image.into_rgb8().into_raw()
    };
    Ok((width as usize, height as usize, data))
}

/// RGBA pixels without their alpha, or on a white ground: `alpha * colour + (1 - alpha) * 255`, rounded. In place: a copy of a large
/// image takes hundreds of megabytes.
fn without_alpha(mut pixels: Vec<u8>, transparency: Transparency) -> Vec<u8> {
    let mix = |colour: u8, alpha: u8| {
        let (colour, alpha) = (u32::from(colour), u32::from(alpha));
        ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    let count = pixels.len() / 4;
    for at in 0..count {
        let [red, green, blue, alpha] = pixels.as_chunks::<4>().0[at];
        pixels.as_chunks_mut::<3>().0[at] = match transparency {
            Transparency::Drop => [red, green, blue],
            Transparency::White => [red, green, blue].map(|colour| mix(colour, alpha)),
        };
    }
    pixels.truncate(3 * count);
    pixels
}

/// Grey samples with alpha as RGBA.
fn grey_alpha_to_rgba(samples: &[u8]) -> Vec<u8> {
    let pixels = samples.as_chunks::<2>().0.iter();
    pixels.flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]).collect()
}

/// The light that inverted inks leave, as Pillow computes it: `key - (255 - colour) * key / 255`.
fn inverted_inks_to_rgb(inks: &[u8]) -> Vec<u8> {
    let light = |colour: u8, key: u8| {
        let product = u32::from(255 - colour) * u32::from(key) + 128;
        // The quotient by 255, rounded.
        key.saturating_sub(((product + (product >> 8)) >> 8) as u8)
    };
    let pixels = inks.as_chunks::<4>().0.iter();
    pixels
        .flat_map(|&[cyan, magenta, yellow, key]| [cyan, magenta, yellow].map(|c| light(c, key)))
        .collect()
}

/// Grey samples as RGB.
fn grey_to_rgb(grey: &[u8]) -> Vec<u8> {
    grey.iter().flat_map(|&sample| [sample; 3]).collect()
}

fn rgb(width: usize, height: usize, data: Vec<u8>, format: Format) -> Result<Rgb8, DecodeError> {
    if width == 0 || height == 0 {
        return Err(DecodeError::Broken { format, reason: "it has no pixels".into() });
    }
    Rgb8::from_raw(width, height, data)
        .map_err(|error| DecodeError::Broken { format, reason: error.to_string() })
}

/// What an error of a decoder of the `image` crate means.
fn explained(format: Format, room: &Room, error: ImageError) -> DecodeError {
    use ::image::error::LimitErrorKind;
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            DecodeError::TooMuchMemory { format, max: room.memory() }
        }
        ImageError::Unsupported(kind) => {
            DecodeError::Unsupported { format, what: kind.to_string() }
        }
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { format }
        }
        other => DecodeError::Broken { format, reason: other.to_string() },
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
