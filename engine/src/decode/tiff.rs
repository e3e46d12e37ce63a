//! TIFF files; of several pictures the first.

use std::{borrow::Cow, io::Cursor};

use ::tiff::{
    ColorType, TiffError,
    decoder::{Decoder, DecodingResult},
    tags::Tag,
};
use shared::{Rgb8, dataset::Transparency};

use super::{
    DecodeError, Format, Room, grey_alpha_to_rgba, grey_to_rgb, inverted_inks_to_rgb, rgb,
    room::memory_of, without_alpha,
};

const FORMAT: Format = Format::Tiff;
/// Most samples of a pixel: four inks, alpha, and some more.
const MOST_SAMPLES: u32 = 16;
/// Values of the tag `PhotometricInterpretation`.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;
/// Values of the tag `ExtraSamples`: anything, alpha by which the colours are multiplied, and other alpha.
const UNSPECIFIED: u16 = 0;
const ASSOCIATED: u16 = 1;
const UNASSOCIATED: u16 = 2;

/// Decodes a TIFF file to RGB.
pub(super) fn decode(
    bytes: &[u8],
    room: &Room,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    if entries(bytes).any(|entry| u64::from(entry.count) > bytes.len() as u64) {
        return Err(DecodeError::Truncated { format: FORMAT });
    }
    // The decoder refuses palettes, and misplaces the colours before a sample that is no alpha in tiles and under a predictor.
    let (bytes, indexed) =
        replaced(bytes.into(), Tag::PhotometricInterpretation, PALETTE, BLACK_IS_ZERO);
    let (bytes, unspecified) = replaced(bytes, Tag::ExtraSamples, UNSPECIFIED, UNASSOCIATED);
    let transparency = if unspecified { Transparency::Drop } else { transparency };
    let failed = |error| explained(error, room.memory());
    let mut decoder = Decoder::new(Cursor::new(&bytes[..])).map_err(failed)?;
    let (width, height) = decoder.dimensions().map_err(failed)?;
    // The decoder takes memory for whole rows of a tile, however wide the file says that they are.
    let across = width.max(decoder.chunk_dimensions().0);
    room.check(across, height)?;
    let most = memory_of(u64::from(across) * u64::from(height));
    let failed = |error| explained(error, most);
    let mut memory = ::tiff::decoder::Limits::default();
    memory.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    memory.intermediate_buffer_size = memory.decoding_buffer_size;
    let mut decoder = decoder.with_limits(memory);
    let colours =
        if indexed { Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?) } else { None };
    let kind = decoder.colortype().map_err(failed)?;
    if indexed && !matches!(kind, ColorType::Gray(_)) {
        return Err(unsupported("a palette with further samples"));
    }
    if decoder.find_tag_unsigned::<u32>(Tag::FillOrder).map_err(failed)? == Some(2) {
        return Err(unsupported("bytes that begin with their lowest bit"));
    }
    let samples = decoder.find_tag_unsigned::<u32>(Tag::SamplesPerPixel).map_err(failed)?;
    if samples.unwrap_or(1) > u32::from(kind.num_samples()) {
        return Err(unsupported("further samples beside the colours"));
    }
    let row = u64::from(across)
        .saturating_mul(u64::from(samples.unwrap_or(1)))
        .saturating_mul(u64::from(kind.bit_depth()).div_ceil(8));
    if samples.unwrap_or(1) > MOST_SAMPLES || row > most {
        return Err(DecodeError::TooMuchMemory { format: FORMAT, max: most });
    }
    let (width, height) = (width as usize, height as usize);
    let is_premultiplied = premultiplied(&mut decoder).map_err(failed)?;
    let samples = match decoder.read_image().map_err(failed)? {
        DecodingResult::U8(samples) if kind.bit_depth() < 8 => {
            let levels = (1u16 << kind.bit_depth()) - 1;
            let scale = if indexed { 1 } else { 255 / levels as u8 };
            unpacked(&samples, width * usize::from(kind.num_samples()), kind.bit_depth(), scale)
        }
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(samples) if !indexed => {
            samples.into_iter().map(|sample| (sample >> 8) as u8).collect()
        }
        _ => return Err(unsupported("samples that are not whole numbers of 8 or 16 bits")),
    };
    if samples.len() != width * height * usize::from(kind.num_samples()) {
        return Err(unsupported("planes one after another"));
    }
    let data = match kind {
        ColorType::Gray(_) => match colours {
            Some(colours) => looked_up(&samples, &colours)?,
            None => grey_to_rgb(&samples),
        },
        ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => {
            without_alpha(grey_alpha_to_rgba(&samples), transparency)
        }
        ColorType::RGB(_) => samples,
        ColorType::RGBA(_) if is_premultiplied => without_alpha(divided(samples), transparency),
        ColorType::RGBA(_) => without_alpha(samples, transparency),
        ColorType::CMYK(_) => {
            let inverted: Vec<u8> = samples.iter().map(|ink| 255 - ink).collect();
            inverted_inks_to_rgb(&inverted)
        }
        other => return Err(unsupported(&format!("pixels of the kind {other:?}"))),
    };
    rgb(width, height, data, FORMAT)
}

/// The file with another value of a tag of its first directory, and whether it had the value `from`. Some kinds of files are given to the
/// decoder as another kind that has its samples in the same places.
fn replaced(bytes: Cow<'_, [u8]>, tag: Tag, from: u16, to: u16) -> (Cow<'_, [u8]>, bool) {
    let Some(entry) = entries(&bytes).find(|entry| entry.tag == tag.to_u16()) else {
        return (bytes, false);
    };
    let bytes_of = |number: u16| {
        if entry.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    };
    let (from, to, at) = (bytes_of(from), bytes_of(to), entry.at + 8);
    if bytes.get(at..at + 2) != Some(&from) {
        return (bytes, false);
    }
    let mut changed = bytes.into_owned();
    changed[at..at + 2].copy_from_slice(&to);
    (changed.into(), true)
}

/// An entry of the first directory.
struct Entry {
    tag: u16,
    /// How many values it has. The decoder takes memory for them before it reads them.
    count: u32,
    /// Where it begins.
    at: usize,
    /// Whether the file's numbers begin with the high byte.
    big_endian: bool,
}

/// The entries of the first directory (TIFF 6.0, section 2).
fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    let big_endian = bytes.starts_with(b"MM");
    let short = move |at: usize| {
        let pair = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    };
    let long = move |at: usize| {
        let four = *bytes.get(at..)?.first_chunk::<4>()?;
        Some(if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    let directory = long(4).unwrap_or(u32::MAX) as usize;
    let count = usize::from(short(directory).unwrap_or(0));
    (0..count).map_while(move |n| {
        let at = directory + 2 + 12 * n;
        Some(Entry { tag: short(at)?, count: long(at + 4)?, at, big_endian })
    })
}

/// Whether the colours are multiplied by their alpha: the first extra sample is "associated alpha" (TIFF 6.0, section 18).
fn premultiplied(decoder: &mut Decoder<Cursor<&[u8]>>) -> Result<bool, TiffError> {
    let Some(value) = decoder.find_tag(Tag::ExtraSamples)? else { return Ok(false) };
    Ok(value.into_u16_vec()?.first() == Some(&ASSOCIATED))
}

/// RGBA pixels whose colours are divided by their alpha, as Pillow does; black where nothing can be seen.
fn divided(mut pixels: Vec<u8>) -> Vec<u8> {
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let [.., alpha] = *pixel;
        let plain = |colour: u8| {
            let whole = (u32::from(colour) * 255).checked_div(alpha.into()).unwrap_or(0);
            whole.min(255) as u8
        };
        *pixel = [plain(pixel[0]), plain(pixel[1]), plain(pixel[2]), alpha];
    }
    pixels
}

/// Samples of `bits` bits, the first in the highest bits of a byte, each row in whole bytes; multiplied by `scale`.
fn unpacked(packed: &[u8], row: usize, bits: u8, scale: u8) -> Vec<u8> {
    let each = usize::from(8 / bits);
    let mask = (1u16 << bits) as u8 - 1;
    let rows = packed.chunks_exact(row.div_ceil(each).max(1));
    let sample = |bytes: &[u8], n: usize| {
        let shift = 8 - bits * (n % each + 1) as u8;
        (bytes[n / each] >> shift & mask) * scale
    };
    rows.flat_map(|bytes| (0..row).map(move |n| sample(bytes, n))).collect()
}

/// Colours by their indices: the palette has all reds, all greens and all blues, with 16 bits each.
fn looked_up(indices: &[u8], colours: &[u16]) -> Result<Vec<u8>, DecodeError> {
    let count = colours.len() / 3;
    let colour = |&index: &u8| {
        let index = usize::from(index);
        let one = |channel: usize| (colours[channel * count + index] >> 8) as u8;
        (index < count).then(|| [one(0), one(1), one(2)])
    };
    let pixels: Option<Vec<[u8; 3]>> = indices.iter().map(colour).collect();
    let broken = || DecodeError::Broken {
        format: FORMAT,
        reason: format!("a pixel has a colour beyond the {count} of the palette"),
    };
    Ok(pixels.ok_or_else(broken)?.into_flattened())
}

fn unsupported(what: &str) -> DecodeError {
    DecodeError::Unsupported { format: FORMAT, what: what.into() }
}

fn explained(error: TiffError, max: u64) -> DecodeError {
    match error {
        TiffError::LimitsExceeded => DecodeError::TooMuchMemory { format: FORMAT, max },
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { format: FORMAT }
        }
        TiffError::UnsupportedError(what) => unsupported(&what.to_string()),
        other => DecodeError::Broken { format: FORMAT, reason: other.to_string() },
    }
}
