//! Image files. The first byte chooses what becomes of transparent pixels.

use engine::decode::{Limits, decode, encode_png};
use shared::dataset::Transparency;

use crate::bound::Bound;

/// Small images, so that many can be tried.
const LIMITS: Limits = Limits { max_pixels: 1 << 16, max_bytes: 1 << 20 };
/// Twelve bytes a pixel, the tables of a format, and chunks of a file that are kept.
const BOUND: Bound = Bound { times: 32, beside: 12 * (1 << 16) + (20 << 20) };
/// Images up to this number of pixels are written and read again.
const WRITTEN: usize = 1 << 10;

/// Decodes a file. An image has no more pixels than the limit, is the same when it is decoded again, and comes back from a PNG file.
pub fn one(bytes: &[u8]) {
    let Some((flag, file)) = bytes.split_first() else { return };
    let transparency = if flag & 1 == 0 { Transparency::Drop } else { Transparency::White };
    let read = || decode(file, LIMITS, transparency);
    match BOUND.hold(file.len(), read) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(image) => {
            let pixels = image.width() * image.height();
            assert!(pixels > 0 && pixels as u64 <= LIMITS.max_pixels);
            if pixels <= WRITTEN {
                assert_eq!(read().as_ref(), Ok(&image), "decoded twice");
                let again = decode(&encode_png(&image), LIMITS, transparency);
                assert_eq!(again.as_ref(), Ok(&image), "written and read");
            }
        }
    }
}
