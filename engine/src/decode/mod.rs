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
mod tiff;
mod webp;

use ::image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, codecs::png as png_file,
    error::ImageError,
};
use shared::{Rgb8, dataset::Transparency};

pub use error::{DecodeError, FORMATS, Format};

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

impl Limits {
    /// Whether an image of this size may be decoded.
    fn check(self, width: u32, height: u32) -> Result<(), DecodeError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels { width, height, max: self.max_pixels });
        }
        Ok(())
    }

    /// Memory that a decoder may take: four channels of 16 bits a pixel, and what the format's tables need.
    fn memory(self) -> u64 {
        self.max_pixels.saturating_mul(8).saturating_add(16 << 20)
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
    if bytes.len() as u64 > limits.max_bytes {
        return Err(DecodeError::TooLong { bytes: bytes.len() as u64, max: limits.max_bytes });
    }
    match Format::of(bytes)? {
        Format::Jpeg => jpeg::decode(bytes, limits),
        Format::Png => png::decode(bytes, limits, transparency),
        Format::WebP => webp::decode(bytes, limits, transparency),
        Format::Gif => gif::decode(bytes, limits, transparency),
        Format::Bmp => bmp::decode(bytes, limits, transparency),
        Format::Tiff => tiff::decode(bytes, limits, transparency),
        Format::Pnm => pnm::decode(bytes, limits),
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
    limits: Limits,
    transparency: Transparency,
) -> Result<(usize, usize, Vec<u8>), DecodeError> {
    let (width, height) = decoder.dimensions();
    limits.check(width, height)?;
    let image = DynamicImage::from_decoder(decoder);
    let image = image.map_err(|error| explained(format, limits, error))?;
    let data = if image.color().has_alpha() {
        without_alpha(image.into_rgba8().as_raw(), transparency)
    } else {
        image.into_rgb8().into_raw()
    };
    Ok((width as usize, height as usize, data))
}

/// RGBA pixels without their alpha, or on a white ground: `alpha * colour + (1 - alpha) * 255`, rounded.
fn without_alpha(rgba: &[u8], transparency: Transparency) -> Vec<u8> {
    let pixels = rgba.as_chunks::<4>().0.iter();
    match transparency {
        Transparency::Drop => {
            pixels.flat_map(|&[red, green, blue, _]| [red, green, blue]).collect()
        }
        Transparency::White => {
            let mix = |colour: u8, alpha: u8| {
                let (colour, alpha) = (u32::from(colour), u32::from(alpha));
                ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
            };
            pixels.flat_map(|&[r, g, b, a]| [mix(r, a), mix(g, a), mix(b, a)]).collect()
        }
    }
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
fn explained(format: Format, limits: Limits, error: ImageError) -> DecodeError {
    use ::image::error::LimitErrorKind;
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            DecodeError::TooMuchMemory { format, max: limits.memory() }
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
