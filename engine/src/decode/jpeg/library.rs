//! Any JPEG file, by libjpeg (the `mozjpeg` crate).
//!
//! libjpeg fills what a cut file lacks with grey, and goes on after errors in the data with a warning; Pillow notices only
//! errors at which libjpeg gives up. Here a file that ends early is truncated, and a file whose data gave a warning is damaged: it would train on pixels that are
//! not the picture's. Stray bytes between the headers and before the end marker do no harm and are passed over.

use std::{
    any::Any,
    cell::Cell,
    ffi::c_int,
    io::{self, BufRead, Read},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
};

use memchr::memmem;
use mozjpeg::{ColorSpace, Decompress, decompress::DecompressStarted};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, msg_parm_union};
use shared::Rgb8;

use super::{super::inverted_inks_to_rgb, DecodeError, FORMAT, Room, rgb};

/// Most scans of a file. Encoders write a dozen; each costs a pass over all blocks, and an empty one takes a few bytes.
const MAX_SCANS: usize = 500;

thread_local! {
    /// Warnings of the file that this thread decodes.
    static WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// Why libjpeg gave no picture.
enum Failure {
    TooLarge(DecodeError),
    /// It stopped, or a value that it returned says so.
    Stopped,
    /// It went on after an error in the data.
    Damaged,
}

/// Decodes a JPEG file to RGB.
///
/// # Errors
/// When the file is cut, damaged, of a kind that libjpeg does not know, or beyond the limits.
pub(super) fn decode(bytes: &[u8], room: &Room) -> Result<Rgb8, DecodeError> {
    if memmem::find_iter(bytes, b"\xff\xda").nth(MAX_SCANS).is_some() {
        let what = format!("more than {MAX_SCANS} scans");
        return Err(DecodeError::Unsupported { format: FORMAT, what });
    }
    let ended = Cell::new(false);
    let source = Source { rest: bytes, ended: &ended };
    let outcome = catch_unwind(AssertUnwindSafe(|| pixels(source, room)));
    match outcome.unwrap_or(Err(Failure::Stopped)) {
        Err(Failure::TooLarge(error)) => Err(error),
        // What libjpeg makes up behind the end gives all kinds of errors.
        _ if ended.get() => Err(DecodeError::Truncated { format: FORMAT }),
        Ok(image) => Ok(image),
        Err(Failure::Damaged) => Err(DecodeError::Broken {
            format: FORMAT,
            reason: "its image data is damaged (Pillow would show what can be made of it)".into(),
        }),
        Err(Failure::Stopped) => Err(explained(bytes)),
    }
}

fn pixels(source: Source<'_>, room: &Room) -> Result<Rgb8, Failure> {
    let stopped = |_: io::Error| Failure::Stopped;
    let header = Decompress::builder().with_err(counting()).from_reader(source).map_err(stopped)?;
    let (width, height) = header.size();
    room.check(width as u32, height as u32).map_err(Failure::TooLarge)?;
    WARNINGS.set(0);
    let mut started = started(header).map_err(stopped)?;
    let data: Vec<u8> = started.read_scanlines().map_err(stopped)?;
    if WARNINGS.get() > 0 {
        return Err(Failure::Damaged);
    }
    let inks = started.color_space() == ColorSpace::JCS_CMYK;
    started.finish().map_err(stopped)?;
    // Whether Adobe's marker says so or not: every known program inverts them, and Pillow takes them so.
    let data = if inks { inverted_inks_to_rgb(&data) } else { data };
    rgb(width, height, data, FORMAT).map_err(Failure::TooLarge)
}

/// Decoding to RGB, or to CMYK where the file has inks.
fn started<R>(header: Decompress<R>) -> io::Result<DecompressStarted<R>> {
    let inks = matches!(header.color_space(), ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK);
    header.to_colorspace(if inks { ColorSpace::JCS_CMYK } else { ColorSpace::JCS_RGB })
}

/// A file in memory that remembers whether more was asked for than it has.
struct Source<'a> {
    rest: &'a [u8],
    ended: &'a Cell<bool>,
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.rest.read(out)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.ended.set(true);
        }
        Ok(self.rest)
    }

    fn consume(&mut self, count: usize) {
        self.rest.consume(count);
    }
}

/// An error manager that counts warnings and ends the work at an error.
fn counting() -> jpeg_error_mgr {
    extern "C-unwind" fn stop(_: &mut jpeg_common_struct) {
        // Without the panic hook, which would print.
        resume_unwind(Box::new(()));
    }
    extern "C-unwind" fn count(_: &mut jpeg_common_struct, level: c_int) {
        if level < 0 {
            WARNINGS.set(WARNINGS.get() + 1);
        }
    }
    extern "C-unwind" fn nothing(_: &mut jpeg_common_struct) {}
    extern "C-unwind" fn no_text(_: &mut jpeg_common_struct, _: &[u8; 80]) {}
    jpeg_error_mgr {
        error_exit: Some(stop),
        emit_message: Some(count),
        output_message: Some(nothing),
        format_message: Some(no_text),
        reset_error_mgr: Some(nothing),
        msg_code: 0,
        msg_parm: msg_parm_union::default(),
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

/// What libjpeg says about a file that it cannot decode. Its own error manager keeps the text; ours cannot read it.
fn explained(bytes: &[u8]) -> DecodeError {
    let decoded = catch_unwind(|| {
        let mut started = started(Decompress::new_mem(bytes)?)?;
        started.read_scanlines::<u8>()?;
        started.finish()
    });
    let reason = match decoded {
        Err(panic) => text(&*panic),
        Ok(Err(error)) => error.to_string(),
        Ok(Ok(())) => "its header is wrong".into(),
    };
    let unsupported =
        ["Unsupported", "not supported", "not implemented", "Unsupported JPEG process"];
    if unsupported.iter().any(|word| reason.contains(word)) {
        return DecodeError::Unsupported { format: FORMAT, what: reason };
    }
    DecodeError::Broken { format: FORMAT, reason }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map_or("it cannot be decoded", String::as_str);
    text.trim_start_matches("libjpeg fatal error: ").to_owned()
}
