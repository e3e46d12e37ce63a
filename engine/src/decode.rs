//! Image files to RGB8 pixels, and RGB8 pixels to PNG files.
//!
//! The content decides the format, never the file's name. A header's size is checked before memory for the pixels is
//! taken. Grey, palette, CMYK and 16-bit images become RGB8; transparent pixels are laid on white. Orientation tags and
//! colour profiles are ignored, as Pillow and torchvision do.

mod error;
mod jpeg;

use std::io::Cursor;

use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder,
    codecs::{
        png::{CompressionType, FilterType, PngDecoder, PngEncoder},
        pnm::PnmDecoder,
        webp::WebPDecoder,
    },
    error::{ImageError, LimitErrorKind},
};
use shared::Rgb8;

pub use error::{DecodeError, Format};

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
}

/// Decodes a JPEG, PNG, WebP or PPM file.
///
/// # Errors
/// When the bytes are no whole image of one of these formats within the limits.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Rgb8, DecodeError> {
    if bytes.len() as u64 > limits.max_bytes {
        return Err(DecodeError::TooLong { bytes: bytes.len() as u64, max: limits.max_bytes });
    }
    match Format::of(bytes)? {
        Format::Jpeg => jpeg::decode(bytes, limits),
        Format::Png => {
            if let Some((width, height)) = png_size(bytes) {
                limits.check(width, height)?;
            }
            let mut memory = image::Limits::no_limits();
            memory.max_alloc = Some(memory_for(limits));
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), memory)
                .map_err(|error| broken(Format::Png, limits, error))?;
            pixels(decoder, Format::Png, limits)
        }
        Format::WebP => {
            let decoder = WebPDecoder::new(Cursor::new(bytes))
                .map_err(|error| broken(Format::WebP, limits, error))?;
            pixels(decoder, Format::WebP, limits)
        }
        Format::Ppm => {
            let decoder = PnmDecoder::new(Cursor::new(bytes))
                .map_err(|error| broken(Format::Ppm, limits, error))?;
            let largest = decoder.header().maximal_sample();
            if largest != 255 {
                let what = format!("a largest value of {largest}; 255 is needed");
                return Err(DecodeError::Unsupported { format: Format::Ppm, what });
            }
            // The pixels lie in the file as they are, so no more memory is taken than the file has bytes.
            if decoder.total_bytes() > bytes.len() as u64 {
                return Err(DecodeError::Truncated { format: Format::Ppm });
            }
            pixels(decoder, Format::Ppm, limits)
        }
    }
}

/// Writes an image as a PNG file.
pub fn encode_png(image: &Rgb8) -> Vec<u8> {
    let mut file = Vec::new();
    PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive)
        .write_image(
            image.data(),
            image.width() as u32,
            image.height() as u32,
            ExtendedColorType::Rgb8,
        )
        .expect("memory takes every byte, and an Rgb8 has the bytes of its size");
    file
}

/// Width and height of a PNG file, whose first chunk is its header: known even when nothing else of it is there.
fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    (bytes.get(12..16)? == b"IHDR").then_some((number(16)?, number(20)?))
}

/// Memory that a decoder may take: four channels of 16 bits a pixel, and what the format's tables need.
fn memory_for(limits: Limits) -> u64 {
    limits.max_pixels.saturating_mul(8).saturating_add(16 << 20)
}

fn pixels(decoder: impl ImageDecoder, format: Format, limits: Limits) -> Result<Rgb8, DecodeError> {
    let (width, height) = decoder.dimensions();
    limits.check(width, height)?;
    let image =
        DynamicImage::from_decoder(decoder).map_err(|error| broken(format, limits, error))?;
    let data = if image.color().has_alpha() {
        on_white(image.into_rgba8().as_raw())
    } else {
        image.into_rgb8().into_raw()
    };
    rgb(width as usize, height as usize, data, format)
}

/// The image on a white ground: `alpha * colour + (1 - alpha) * 255`, rounded.
fn on_white(rgba: &[u8]) -> Vec<u8> {
    let mix = |colour: u8, alpha: u8| {
        let (colour, alpha) = (u32::from(colour), u32::from(alpha));
        ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    rgba.chunks_exact(4).flat_map(|p| [mix(p[0], p[3]), mix(p[1], p[3]), mix(p[2], p[3])]).collect()
}

fn rgb(width: usize, height: usize, data: Vec<u8>, format: Format) -> Result<Rgb8, DecodeError> {
    if width == 0 || height == 0 {
        return Err(DecodeError::Broken { format, reason: "it has no pixels".into() });
    }
    Rgb8::from_raw(width, height, data)
        .map_err(|error| DecodeError::Broken { format, reason: error.to_string() })
}

fn broken(format: Format, limits: Limits, error: ImageError) -> DecodeError {
    match error {
        ImageError::Limits(limit) if matches!(limit.kind(), LimitErrorKind::InsufficientMemory) => {
            DecodeError::TooMuchMemory { format, max: memory_for(limits) }
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
