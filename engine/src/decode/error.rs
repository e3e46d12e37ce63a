//! Formats, and what can be wrong with an image file.

use std::fmt;

/// An image format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG: baseline and progressive, 8 bits.
    Jpeg,
    /// PNG in every colour type.
    Png,
    /// WebP: lossy and lossless; of an animation the first picture.
    WebP,
    /// PPM and PGM with binary pixels.
    Ppm,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Ppm => "PPM",
        })
    }
}

impl Format {
    /// The format that the first bytes of a file show.
    ///
    /// # Errors
    /// When it is none of these; says what the file is instead, where that can be seen.
    pub fn of(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            Err(DecodeError::Empty)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Ok(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Ok(Self::Png)
        } else if bytes.len() >= 12 && &bytes[..4] == b"RIFF" && &bytes[8..12] == b"WEBP" {
            Ok(Self::WebP)
        } else if bytes.len() >= 3
            && matches!(&bytes[..2], b"P5" | b"P6")
            && bytes[2].is_ascii_whitespace()
        {
            Ok(Self::Ppm)
        } else {
            Err(DecodeError::NotAnImage { found: what_instead(bytes) })
        }
    }
}

/// A file of another kind, in a few words.
fn what_instead(bytes: &[u8]) -> &'static str {
    if looks_like_text(bytes) {
        return "text";
    }
    match image::guess_format(bytes) {
        Ok(image::ImageFormat::Gif) => "a GIF image",
        Ok(image::ImageFormat::Bmp) => "a BMP image",
        Ok(image::ImageFormat::Tiff) => "a TIFF image",
        Ok(image::ImageFormat::Avif) => "an AVIF image",
        Ok(image::ImageFormat::Pnm) => "a PNM image",
        Ok(_) => "an image of another format",
        Err(_) => "something else",
    }
}

/// Whether the first bytes are UTF-8 without control characters other than white space.
fn looks_like_text(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(512)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character cut in two by the 512 bytes is no fault of the text.
        Err(error) if head.len() - error.valid_up_to() < 4 && head.len() < bytes.len() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_whitespace())
}

/// Why a file is no image that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes.
    #[error("the file is empty; a JPEG, PNG, WebP or PPM image is needed")]
    Empty,
    /// The file is too long.
    #[error("the file has {} MiB; at most {} MiB are taken", mebibytes(*bytes), mebibytes(*max))]
    TooLong {
        /// Bytes of the file.
        bytes: u64,
        /// Most bytes that are taken.
        max: u64,
    },
    /// The content is of another kind, whatever the file's name says.
    #[error("the file's content is {found}; a JPEG, PNG, WebP or PPM image is needed")]
    NotAnImage {
        /// What it is.
        found: &'static str,
    },
    /// The header announces too many pixels.
    #[error(
        "the image has {width} x {height} pixels ({} megapixels); at most {} megapixels are taken",
        megapixels(u64::from(*width) * u64::from(*height)),
        megapixels(*max)
    )]
    TooManyPixels {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Most pixels that are taken.
        max: u64,
    },
    /// The file asks for more memory than its pixels need.
    #[error("the {format} file needs more than {} MiB of memory", mebibytes(*max))]
    TooMuchMemory {
        /// Its format.
        format: Format,
        /// Most bytes that are given.
        max: u64,
    },
    /// The file ends too early.
    #[error(
        "the {format} file is truncated: it ends before the image does; a whole file is needed"
    )]
    Truncated {
        /// Its format.
        format: Format,
    },
    /// The file is whole, but its content is wrong.
    #[error("the {format} file is broken: {reason}")]
    Broken {
        /// Its format.
        format: Format,
        /// What the decoder found.
        reason: String,
    },
    /// A rare variety of the format.
    #[error("this kind of {format} is not read: {what}")]
    Unsupported {
        /// Its format.
        format: Format,
        /// The variety.
        what: String,
    },
}

/// Rounded up, so that a file just above a limit does not read as equal to it.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn megapixels(pixels: u64) -> u64 {
    pixels.div_ceil(1_000_000)
}
