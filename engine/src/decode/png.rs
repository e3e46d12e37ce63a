//! PNG files.
//!
//! Like Pillow, the decoder takes the image data of a file whose checksums of that data are wrong or whose end chunk is missing; the
//! pixels themselves are all there. The header and the palette have to be right.

use std::{borrow::Cow, io::Cursor};

use ::png::{ColorType, DecodeOptions, Decoder, DecodingError, Transformations};
use shared::{Rgb8, dataset::Transparency};

use super::{DecodeError, Format, Room, grey_alpha_to_rgba, grey_to_rgb, rgb, without_alpha};

const FORMAT: Format = Format::Png;
/// Bytes of the signature.
const SIGNATURE: usize = 8;
/// Most bytes of a chunk that is not needed for the pixels. What it holds may unpack to a thousand times its length.
const BESIDE: usize = 4096;
/// The chunk that ends a file.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Decodes a PNG file to RGB.
pub(super) fn decode(
    bytes: &[u8],
    room: &Room,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    let bytes = with_end(bytes)?;
    if let Some((width, height)) = size(&bytes) {
        room.check(width, height)?;
    }
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(true);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(&bytes[..]), options);
    decoder
        .set_limits(::png::Limits { bytes: usize::try_from(room.memory()).unwrap_or(usize::MAX) });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let failed = |error| explained(error, room);
    let mut reader = decoder.read_info().map_err(failed)?;
    let length = reader
        .output_buffer_size()
        .ok_or(DecodeError::TooMuchMemory { format: FORMAT, max: room.memory() })?;
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data).map_err(failed)?;
    data.truncate(frame.buffer_size());
    let data = match frame.color_type {
        ColorType::Rgb => data,
        ColorType::Rgba => without_alpha(data, transparency),
        ColorType::Grayscale => grey_to_rgb(&data),
        ColorType::GrayscaleAlpha => without_alpha(grey_alpha_to_rgba(&data), transparency),
        ColorType::Indexed => {
            let what = "a palette that was not looked up".into();
            return Err(DecodeError::Unsupported { format: FORMAT, what });
        }
    };
    rgb(frame.width as usize, frame.height as usize, data, FORMAT)
}

/// Width and height, which the first chunk has: known even when nothing else of the file is there.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    (bytes.get(12..16)? == b"IHDR").then_some((number(16)?, number(20)?))
}

/// The file with an end chunk, which is added where the file lacks it or ends in the checksum of its image data.
///
/// # Errors
/// When the file ends within a chunk, or the checksum of its header or palette is wrong.
fn with_end(bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let truncated = DecodeError::Truncated { format: FORMAT };
    let (mut at, mut long) = (SIGNATURE, false);
    while at < bytes.len() {
        let Some(&[a, b, c, d, ref kind @ ..]) = bytes[at..].first_chunk::<8>() else {
            return Err(truncated);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let content = at + 8;
        let Some(body) = bytes.get(at + 4..content.saturating_add(length)) else {
            return Err(truncated);
        };
        let end = content + length;
        match kind {
            b"IEND" if long => return Ok(Cow::Owned(needed(bytes))),
            b"IEND" => return Ok(Cow::Borrowed(bytes)),
            b"IDAT" if bytes.len() < end + 4 => {
                let whole = [&bytes[..end], &[0; 4], END].concat();
                return Ok(Cow::Owned(if long { needed(&whole) } else { whole }));
            }
            b"IHDR" | b"PLTE" => {
                let Some(sum) = bytes.get(end..end + 4) else { return Err(truncated) };
                if sum != crc32fast::hash(body).to_be_bytes() {
                    let reason = format!(
                        "the checksum of its {} chunk is wrong",
                        String::from_utf8_lossy(kind)
                    );
                    return Err(DecodeError::Broken { format: FORMAT, reason });
                }
            }
            _ if bytes.len() < end + 4 => return Err(truncated),
            _ => long |= length > BESIDE && is_beside(kind),
        }
        at = end + 4;
    }
    let whole = [bytes, END].concat();
    Ok(Cow::Owned(if long { needed(&whole) } else { whole }))
}

/// Whether the pixels are the same without such a chunk: its name begins with a small letter, and it is not the transparent colour.
fn is_beside(kind: &[u8]) -> bool {
    kind[0].is_ascii_lowercase() && kind != b"tRNS"
}

/// A sound file without the chunks that are not needed for its pixels.
fn needed(bytes: &[u8]) -> Vec<u8> {
    let mut kept = bytes[..SIGNATURE].to_vec();
    let mut rest = &bytes[SIGNATURE..];
    while let Some(&[a, b, c, d, ref kind @ ..]) = rest.first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (chunk, later) = rest.split_at((length + 12).min(rest.len()));
        if !is_beside(kind) {
            kept.extend_from_slice(chunk);
        }
        rest = later;
    }
    kept
}

fn explained(error: DecodingError, room: &Room) -> DecodeError {
    match error {
        DecodingError::LimitsExceeded => {
            DecodeError::TooMuchMemory { format: FORMAT, max: room.memory() }
        }
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { format: FORMAT }
        }
        other => DecodeError::Broken { format: FORMAT, reason: other.to_string() },
    }
}
