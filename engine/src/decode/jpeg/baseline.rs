//! Baseline files, which nearly all photographs are, to Pillow's pixels.
//!
//! It takes what it is certain of: grey images, and Y Cb Cr with chroma as fine as luma, or half as fine in rows or in both
//! directions. Of anything else, and of anything that looks damaged, it says nothing.

use std::ops::Range;

use kernel::{Path, vectorized};
use shared::Rgb8;

use super::{
    bits::{Bits, Place, Segments},
    colour::Painter,
    component::Decoding,
    header::{self, Header},
    idct::SIDE,
};

/// The image of a baseline file whose pixels are at most so many; nothing where it is not certain.
pub(super) fn decode(path: Path, bytes: &[u8], max_pixels: u64) -> Option<Rgb8> {
    let header = header::read(bytes)?;
    let (width, height) = (header.width, header.height);
    // Chroma of one or two samples has no inner ones.
    if width as u64 * height as u64 > max_pixels || header.components[0].across == 2 && width <= 4 {
        return None;
    }
    Rgb8::from_raw(width, height, pixels(path, &header)?).ok()
}

fn pixels(path: Path, header: &Header<'_>) -> Option<Vec<u8>> {
    let luma = &header.components[0];
    // Rows of a unit; units of a row, and rows of them.
    let tall = SIDE * luma.down;
    let (across, down) = (header.width.div_ceil(SIDE * luma.across), header.height.div_ceil(tall));
    let interval = if header.restart == 0 { across * down } else { header.restart };
    let segments = Segments::read(header.scan)?;
    if segments.count() != (across * down).div_ceil(interval) {
        return None;
    }
    let decoding = |component| Decoding::new(component, across);
    let mut components: Vec<_> = header.components.iter().map(decoding).collect();
    let mut painter = Painter::new(header);
    let (mut segment, mut left, mut place) = (0, interval, Place::default());
    for row in 0..down {
        let mut column = 0;
        while column < across {
            if left == 0 {
                if !place.is_end_of(segments.bytes(segment).len()) {
                    return None;
                }
                (segment, left, place) = (segment + 1, interval, Place::default());
                for decoding in &mut components {
                    decoding.mean = 0;
                }
            }
            let units = column..across.min(column + left);
            (column, left) = (units.end, left - units.len());
            let bytes = segments.bytes(segment);
            let mut reached = None;
            read(path, header, &mut components, Bits { bytes, place }, units, &mut reached);
            place = reached.filter(|place| !place.is_beyond(bytes.len()))?;
        }
        for (decoding, component) in components.iter_mut().zip(&header.components) {
            decoding.transform(path, component, row);
        }
        // The last row's chroma may lie below it, too.
        let ready =
            if row + 1 == down { header.height } else { (row + 1) * tall - (luma.down - 1) };
        painter.paint_to(path, &components, ready);
    }
    place.is_end_of(segments.bytes(segment).len()).then(|| painter.image())
}

vectorized! {
    /// Reads these units of a row, from a place to another one; to none where no image has such bits.
    fn read<'a>(
        header: &'a Header<'a>,
        components: &'a mut [Decoding],
        bits: Bits<'a>,
        units: Range<usize>,
        reached: &'a mut Option<Place>,
    ) {
        let mut bits = bits;
        for unit in units {
            for (decoding, component) in components.iter_mut().zip(&header.components) {
                if decoding.read(header, component, &mut bits, unit).is_none() {
                    return;
                }
            }
        }
        *reached = Some(bits.place);
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
    use proptest::{collection::vec, prelude::*, sample::Index};

    use super::*;
    use crate::decode::{Limits, jpeg::decode_any, testing::flat_cmyk_jpeg};

    const MOST: u64 = 1 << 20;

    fn file(width: usize, height: usize, colour: ExtendedColorType, quality: u8) -> Vec<u8> {
        let channels = if colour == ExtendedColorType::L8 { 1 } else { 3 };
        let wave = |i: usize| ((i % (width * channels)) as f64 / 9.0 + (i / 97) as f64 / 5.0).sin();
        let pixels: Vec<u8> =
            (0..width * height * channels).map(|i| (128.0 + 120.0 * wave(i)) as u8).collect();
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, quality)
            .encode(&pixels, width as u32, height as u32, colour)
            .expect("memory");
        file
    }

    #[test]
    fn every_instruction_set_gives_the_same_and_about_what_the_other_decoder_gives() {
        for (width, height) in [(1, 1), (8, 8), (17, 5), (200, 33)] {
            for colour in [ExtendedColorType::L8, ExtendedColorType::Rgb8] {
                for quality in [20, 90, 100] {
                    let file = file(width, height, colour, quality);
                    let other = decode_any(&file, Limits::default()).expect("an image");
                    let plain = decode(Path::Portable, &file, MOST).expect("a baseline file");
                    let worst =
                        plain.data().iter().zip(other.data()).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(
                        worst <= Some(3),
                        "{worst:?} at {width} x {height}, {colour:?}, {quality}"
                    );
                    for path in Path::here() {
                        assert_eq!(decode(path, &file, MOST).as_ref(), Some(&plain), "{path}");
                    }
                }
            }
        }
    }

    #[test]
    fn it_says_nothing_of_what_it_is_not_certain_of() {
        let sure = file(24, 24, ExtendedColorType::Rgb8, 80);
        assert!(decode(Path::Portable, &sure, 24 * 24).is_some());
        assert!(decode(Path::Portable, &sure, 24 * 24 - 1).is_none(), "too many pixels");
        assert!(
            decode(Path::Portable, &flat_cmyk_jpeg([1, 2, 3, 4], true), MOST).is_none(),
            "inks"
        );
        for cut in [sure.len() - 1, sure.len() - 2, sure.len() - 9, sure.len() / 2, 3, 0] {
            assert!(decode(Path::Portable, &sure[..cut], MOST).is_none(), "cut to {cut}");
        }
        let frame = sure.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
        let changed = |at: usize, value: u8| {
            let mut file = sure.clone();
            file[frame + at] = value;
            decode(Path::Portable, &file, MOST)
        };
        assert!(changed(1, 0xc2).is_none(), "progressive");
        assert!(changed(4, 12).is_none(), "12 bits");
        assert!(changed(6, 32).is_none(), "more rows than there are bits for");
        assert!(changed(6, 16).is_none(), "bits for more rows than there are");
        assert!(changed(6, 23).is_some_and(|image| image.height() == 23), "as many units");
        assert!(changed(11, 0x41).is_none(), "chroma a fourth as fine");
        // A byte that nothing asks for before the end of the image.
        let mut longer = sure.clone();
        longer.splice(sure.len() - 2..sure.len() - 2, [0x12]);
        assert!(decode(Path::Portable, &longer, MOST).is_none());
    }

    proptest! {
        #[test]
        fn a_damaged_file_gives_an_image_of_its_header_or_nothing(
            damage in vec((any::<Index>(), any::<u8>()), 1..8),
        ) {
            let mut file = file(40, 24, ExtendedColorType::Rgb8, 70);
            for (place, value) in damage {
                let at = place.index(file.len());
                file[at] = value;
            }
            if let Some(image) = decode(Path::chosen().expect("a path"), &file, MOST) {
                prop_assert!(image.width() as u64 * image.height() as u64 <= MOST);
            }
        }
    }
}
