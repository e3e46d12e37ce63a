//! Formats, and what can be wrong with an image file.

use std::fmt;

/// An image format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG with 8 bits a sample: sequential and progressive, Huffman and arithmetic coding.
    Jpeg,
    /// PNG in every colour type.
    Png,
    /// WebP: lossy and lossless; of an animation the first picture.
    WebP,
    /// GIF; of an animation the first picture.
    Gif,
    /// BMP.
    Bmp,
    /// TIFF; of several pictures the first.
    Tiff,
    /// The Netpbm formats PBM, PGM and PPM, as text or binary.
    Pnm,
}

/// The formats that are read, as messages list them.
pub const FORMATS: &str = "JPEG, PNG, WebP, GIF, BMP, TIFF or PNM";

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Pnm => "PNM",
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
        } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            Ok(Self::Gif)
        } else if is_bmp(bytes) {
            Ok(Self::Bmp)
        } else if bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*") {
            Ok(Self::Tiff)
        } else if bytes.len() >= 3
            && matches!(bytes[..2], [b'P', b'1'..=b'6'])
            && (bytes[2].is_ascii_whitespace() || bytes[2] == b'#')
        {
            Ok(Self::Pnm)
        } else {
            Err(DecodeError::NotAnImage { found: what_instead(bytes) })
        }
    }
}

/// Whether the file begins with `BM` and one of the header lengths that BMP files have: two letters alone may begin a text.
fn is_bmp(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BM")
        && bytes.get(14..18).is_some_and(|length| {
            matches!(length, [12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])
        })
}

/// What a file of another kind is, as far as its first bytes show it.
fn what_instead(bytes: &[u8]) -> &'static str {
    let begins = |with: &[u8]| bytes.starts_with(with);
    let head = bytes[..bytes.len().min(512)].trim_ascii_start().to_ascii_lowercase();
    if begins(b"version https://git-lfs") {
        return "a Git LFS pointer, not the image itself (`git lfs pull` fetches it)";
    }
    if head.starts_with(b"<!doctype html") || head.starts_with(b"<html") {
        return "an HTML page, as a failed download leaves it";
    }
    if head.starts_with(b"<svg") || head.starts_with(b"<?xml") {
        return "XML or SVG";
    }
    if looks_like_text(bytes) {
        return "text";
    }
    if bytes.len() >= 12 && &bytes[4..8] == b"ftyp" {
        return match &bytes[8..12] {
            b"avif" | b"avis" => "an AVIF image",
            b"heic" | b"heix" | b"mif1" | b"msf1" => "a HEIC image",
            _ => "a video",
        };
    }
    match bytes {
        [0x50, 0x4b, 3, 4, ..] => "a ZIP archive",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [0, 0, 0, 12, b'j', b'P', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => "a JPEG 2000 image",
        [b'8', b'B', b'P', b'S', ..] => "a Photoshop document",
        _ if bytes.iter().all(|&byte| byte == 0) => "zeros only",
        _ => "something else",
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
    #[error("the file is empty; a {FORMATS} image is needed")]
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
    #[error("the file's content is {found}; a {FORMATS} image is needed")]
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
