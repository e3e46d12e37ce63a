//! JPEG files.
//!
//! Baseline files of the usual kinds, which nearly all photographs are, go through our own decoder ([`baseline`]): it gives the pixels
//! that Pillow gives, in less time. All others are a well-kept library's, which also tells what is wrong with a file. It is asked to be
//! strict, and the file is walked marker by marker first: a decoder alone fills what a cut file lacks with grey and calls it an image.
//! (A file that was damaged in the middle and still has its end is refused where the decoder notices; like Pillow, it does not always.)

mod baseline;
mod bits;
mod colour;
mod component;
mod header;
mod huffman;
mod idct;
mod known;

use kernel::Path;
use memchr::memchr;
use shared::Rgb8;
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{DecodeError, Format, Limits, rgb};

const FORMAT: Format = Format::Jpeg;

/// What the markers of a JPEG file show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Survey {
    /// The end-of-image marker is there.
    ends: bool,
    /// Adobe wrote it (APP14 "Adobe"): four channels then hold inverted inks.
    adobe: bool,
}

/// Walks the markers up to the end of the image (ITU-T T.81, annex B).
fn survey(bytes: &[u8]) -> Survey {
    let mut survey = Survey::default();
    let mut at = 2; // behind the start-of-image marker
    while let Some((marker, next)) = next_marker(bytes, at) {
        at = next;
        match marker {
            0xd9 => return Survey { ends: true, ..survey },
            0x01 | 0xd0..=0xd8 => {} // stand alone
            _ => {
                let Some(length) = bytes.get(at..at + 2) else { break };
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let segment = bytes.get(at + 2..).unwrap_or_default();
                survey.adobe |= marker == 0xee && segment.starts_with(b"Adobe");
                at += length;
            }
        }
    }
    survey
}

/// The next marker at or after `at`, and the place behind it. Skips entropy-coded bytes: in them 0xFF stands before 0 only.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += memchr(0xff, bytes.get(at..)?)?;
        at += bytes[at..].iter().position(|&byte| byte != 0xff)?;
        if bytes[at] != 0 {
            return Some((bytes[at], at + 1));
        }
    }
}

/// Decodes a JPEG file to RGB.
pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<Rgb8, DecodeError> {
    match baseline::decode(Path::fastest(), bytes, limits.max_pixels) {
        Some(image) => Ok(image),
        None => decode_any(bytes, limits),
    }
}

/// Decodes any JPEG file, or tells what is wrong with it.
fn decode_any(bytes: &[u8], limits: Limits) -> Result<Rgb8, DecodeError> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let survey = survey(bytes);
    let broken = |error| explain(error, survey);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let (width, height) = decoder.dimensions().ok_or(DecodeError::Truncated { format: FORMAT })?;
    limits.check(width as u32, height as u32)?;
    if !survey.ends {
        return Err(DecodeError::Truncated { format: FORMAT });
    }
    // Plain CMYK is converted here: the decoder takes all of it as inverted.
    let plain_cmyk = decoder.input_colorspace() == Some(ColorSpace::CMYK) && !survey.adobe;
    let wanted = if plain_cmyk { ColorSpace::CMYK } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let data = decoder.decode().map_err(broken)?;
    rgb(width, height, if plain_cmyk { inks_to_rgb(&data) } else { data }, FORMAT)
}

/// `(255 - ink) * (255 - black) / 255`, rounded: what Pillow makes of CMYK.
fn inks_to_rgb(cmyk: &[u8]) -> Vec<u8> {
    let light =
        |ink: u8, black: u8| ((u32::from(255 - ink) * u32::from(255 - black) + 127) / 255) as u8;
    cmyk.chunks_exact(4)
        .flat_map(|p| [light(p[0], p[3]), light(p[1], p[3]), light(p[2], p[3])])
        .collect()
}

fn explain(error: DecodeErrors, survey: Survey) -> DecodeError {
    match error {
        DecodeErrors::Unsupported(what) => {
            DecodeError::Unsupported { format: FORMAT, what: format!("{what:?}") }
        }
        _ if !survey.ends => DecodeError::Truncated { format: FORMAT },
        other => DecodeError::Broken { format: FORMAT, reason: format!("{other:?}") },
    }
}
