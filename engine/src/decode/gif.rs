//! GIF files; of an animation the first picture.

use std::io::Cursor;

use ::gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};
use shared::{Rgb8, dataset::Transparency};

use super::{DecodeError, Format, Room, rgb, without_alpha};

const FORMAT: Format = Format::Gif;

/// Decodes a GIF file to RGB.
pub(super) fn decode(
    bytes: &[u8],
    room: &Room,
    transparency: Transparency,
) -> Result<Rgb8, DecodeError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(
        room.memory().try_into().map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes),
    );
    let failed = |error| explained(error, room);
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(failed)?;
    let screen = (usize::from(decoder.width()), usize::from(decoder.height()));
    room.check(screen.0 as u32, screen.1 as u32)?;
    let colours = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder
        .next_frame_info()
        .map_err(failed)?
        .ok_or(DecodeError::Broken { format: FORMAT, reason: "it has no picture".into() })?
        .clone();
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (across, down) = (usize::from(frame.width), usize::from(frame.height));
    let (width, height) = (screen.0.max(left + across), screen.1.max(top + down));
    // The picture may be much larger than the screen: only now is there room for it.
    room.check(width as u32, height as u32)?;
    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(failed)?;
    let colours = frame
        .palette
        .clone()
        .or(colours)
        .ok_or(DecodeError::Broken { format: FORMAT, reason: "it has no palette".into() })?;
    let colour = |index: u8| -> [u8; 4] {
        let at = usize::from(index) * 3;
        let alpha = if frame.transparent == Some(index) { 0 } else { 255 };
        colours.get(at..at + 3).map_or([0, 0, 0, alpha], |c| [c[0], c[1], c[2], alpha])
    };
    // Where the picture does not reach, the screen has its first colour or the transparent one.
    let mut canvas = colour(frame.transparent.unwrap_or(0)).repeat(width * height);
    for (y, row) in indices.chunks_exact(across.max(1)).enumerate().take(down) {
        let start = ((top + y) * width + left) * 4;
        for (pixel, &index) in canvas[start..].as_chunks_mut::<4>().0.iter_mut().zip(row) {
            *pixel = colour(index);
        }
    }
    rgb(width, height, without_alpha(canvas, transparency), FORMAT)
}

fn explained(error: DecodingError, room: &Room) -> DecodeError {
    match error {
        DecodingError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated { format: FORMAT }
        }
        DecodingError::MemoryLimit => {
            DecodeError::TooMuchMemory { format: FORMAT, max: room.memory() }
        }
        other => DecodeError::Broken { format: FORMAT, reason: other.to_string() },
    }
}
