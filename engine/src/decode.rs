//! Image files to RGB8 pixels.

use shared::Rgb8;

/// What an image file may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of an image; its header is checked before memory for them is taken.
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

/// Why a file is no image that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The file is too long.
    #[error("the file has {bytes} bytes; at most {max} are taken")]
    TooLong {
        /// Bytes of the file.
        bytes: u64,
        /// The limit.
        max: u64,
    },
}

/// Decodes a JPEG, PNG or WebP file.
///
/// # Errors
/// When the bytes are no whole image of one of these formats within the limits.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Rgb8, DecodeError> {
    if bytes.len() as u64 > limits.max_bytes {
        return Err(DecodeError::TooLong { bytes: bytes.len() as u64, max: limits.max_bytes });
    }
    unimplemented!()
}
