//! Baseline files, which nearly all photographs are, to Pillow's pixels.
//!
//! It takes what it is certain of: grey images, and Y Cb Cr with chroma as fine as luma, or half as fine from left to right or in both
//! directions, all components in one scan. Of anything else (other colours and samplings, steps of 16 bits, several scans), and of
//! anything that looks damaged, it says nothing.

use std::ops::Range;

use kernel::{Path, vectorized};
use shared::Rgb8;

use super::{
    Room,
    bits::{Bits, Place, Segments},
    colour::Painter,
    component::Decoding,
    header::{self, Header},
    idct::SIDE,
};

/// The image of a baseline file for which there is room; nothing where it is not certain.
pub(super) fn decode(path: Path, bytes: &[u8], room: &Room) -> Option<Rgb8> {
    let header = header::read(bytes)?;
    let (width, height) = (header.width, header.height);
    // Of so few chroma samples libjpeg makes no triangle.
    if header.components[0].across == 2 && width <= 4 {
        return None;
    }
    room.check(width as u32, height as u32).ok()?;
    let pixels = pixels(path, &header)?;
    Some(Rgb8::from_raw(width, height, pixels).expect("three bytes a pixel"))
}

fn pixels(path: Path, header: &Header<'_>) -> Option<Vec<u8>> {
    let luma = &header.components[0];
    // Rows of a unit; units of a row, and rows of them.
    let tall = SIDE * luma.down;
    let (across, down) = (header.width.div_ceil(SIDE * luma.across), header.height.div_ceil(tall));
    let interval = if header.restart == 0 { across * down } else { header.restart };
    let segments = Segments::read(header.scan, (across * down).div_ceil(interval))?;
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
    use safetensors::SafeTensors;

    use super::*;
    use crate::decode::{Limits, jpeg::library, testing::flat_cmyk_jpeg};

    const MOST: u64 = 1 << 20;

    fn decode(path: Path, bytes: &[u8], max_pixels: u64) -> Option<Rgb8> {
        super::decode(path, bytes, &Room::new(Limits { max_pixels, ..Limits::default() }))
    }

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
    fn every_instruction_set_gives_what_libjpeg_gives() {
        for (width, height) in [(1, 1), (8, 8), (17, 5), (200, 33)] {
            for colour in [ExtendedColorType::L8, ExtendedColorType::Rgb8] {
                for quality in [20, 90, 100] {
                    let file = file(width, height, colour, quality);
                    let other = library::decode(&file, &Room::default()).expect("an image");
                    let plain = decode(Path::Portable, &file, MOST).expect("a baseline file");
                    assert_eq!(plain, other, "{width} x {height}, {colour:?}, {quality}");
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

    /// The committed cases of Pillow's: files, whether they are for this decoder, and their pixels.
    fn cases() -> Vec<(Vec<u8>, bool, Vec<u8>)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases");
        let read = |number: usize| {
            let case = std::fs::read(folder.join(format!("jpegs-{number}.safetensors"))).ok()?;
            let (_, header) = SafeTensors::read_metadata(&case).expect("a header");
            let exact = header.metadata().as_ref().expect("texts")["config"].contains("true");
            let tensors = SafeTensors::deserialize(&case).expect("tensors");
            let bytes = |name| tensors.tensor(name).expect("a tensor").data().to_vec();
            Some((bytes("file"), exact, bytes("image")))
        };
        (0..).map_while(read).collect()
    }

    #[test]
    fn every_instruction_set_gives_pillows_pixels() {
        let cases = cases();
        assert!(cases.len() >= 7);
        for (number, (file, exact, pixels)) in cases.iter().enumerate() {
            for path in Path::here() {
                let image = decode(path, file, MOST);
                let same = image.as_ref().is_some_and(|image| image.data() == pixels);
                assert_eq!(same, *exact, "case {number}, {path}");
                assert_eq!(image.is_some(), *exact, "case {number}, {path}");
            }
        }
    }

    /// An image's file with these marker segments instead of JFIF's, and these names of its components.
    fn marked(segments: &[&[u8]], names: [u8; 3]) -> Vec<u8> {
        let file = file(16, 16, ExtendedColorType::Rgb8, 80);
        assert_eq!((&file[2..4], &file[6..10]), (&[0xff, 0xe0][..], &b"JFIF"[..]));
        let mut rest = file[4 + usize::from(file[5])..].to_vec();
        for (header, step) in [([0xff, 0xc0], 10), ([0xff, 0xda], 5)] {
            let at = rest.windows(2).position(|pair| pair == header).expect("a header") + step;
            let wide = if step == 10 { 3 } else { 2 };
            for (i, name) in names.into_iter().enumerate() {
                rest[at + wide * i] = name;
            }
        }
        [&[0xff, 0xd8], &segments.concat()[..], &rest].concat()
    }

    #[test]
    fn colours_are_told_by_markers_and_names() {
        const JFIF: &[u8] = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
        const SHORT_JFIF: &[u8] = b"\xff\xe0\0\x09JFIF\0\x01\x01";
        const ADOBE_RGB: &[u8] = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0";
        const ADOBE_YCC: &[u8] = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x01";
        const SHORT_ADOBE: &[u8] = b"\xff\xee\0\x09Adobe\0\x64";
        let (numbers, letters) = ([1, 2, 3], *b"RGB");
        let certain: [(&[&[u8]], _, _); 10] = [
            (&[JFIF], letters, true),
            (&[JFIF, ADOBE_RGB], numbers, true),
            (&[], numbers, true),
            (&[], letters, false),
            (&[ADOBE_YCC], letters, true),
            (&[ADOBE_RGB], numbers, false),
            // Segments that are too short count for nothing.
            (&[SHORT_JFIF], letters, false),
            (&[SHORT_JFIF, ADOBE_RGB], numbers, false),
            (&[ADOBE_RGB, SHORT_ADOBE], numbers, false),
            (&[SHORT_ADOBE], numbers, true),
        ];
        for (number, (segments, names, want)) in certain.into_iter().enumerate() {
            let file = marked(segments, names);
            assert_eq!(decode(Path::Portable, &file, MOST).is_some(), want, "{number}");
        }
    }

    #[test]
    fn headers_by_hand() {
        let sure = file(24, 24, ExtendedColorType::Rgb8, 80);
        let find =
            |header: [u8; 2]| sure.windows(2).position(|pair| pair == header).expect("a header");
        let decoded = |file: &[u8]| decode(Path::Portable, file, MOST).is_some();
        let without = |header| {
            let at = find(header);
            let end = at + 2 + usize::from(u16::from_be_bytes([sure[at + 2], sure[at + 3]]));
            ([&sure[..at], &sure[end..]].concat(), [&sure[..end], &sure[at..]].concat())
        };
        let (no_steps, steps_twice) = without([0xff, 0xdb]);
        assert!(!decoded(&no_steps) && decoded(&steps_twice));
        let (no_codes, codes_twice) = without([0xff, 0xc4]);
        assert!(!decoded(&no_codes) && decoded(&codes_twice));
        let (no_frame, frame_twice) = without([0xff, 0xc0]);
        assert!(!decoded(&no_frame) && !decoded(&frame_twice));
        let mut wide_steps = sure.clone();
        wide_steps[find([0xff, 0xdb]) + 4] |= 0x10;
        assert!(!decoded(&wide_steps));
        let end = sure.len() - 2;
        for extra in [&[0xff, 0xd0][..], &[0xff, 0xfe, 0, 3, 0]] {
            assert!(
                !decoded(&[&sure[..end], extra, &sure[end..]].concat()),
                "{extra:x?} before the end"
            );
        }
        // The factors of a component that is alone mean nothing.
        let mut grey = file(24, 24, ExtendedColorType::L8, 80);
        let plain = decode(Path::Portable, &grey, MOST);
        let frame = grey.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
        grey[frame + 11] = 0x22;
        assert!(plain.is_some() && decode(Path::Portable, &grey, MOST) == plain);
    }

    proptest! {
        #[test]
        fn a_damaged_file_gives_an_image_of_its_header_or_nothing(
            which in any::<Index>(),
            damage in vec((any::<Index>(), any::<u8>()), 1..8),
        ) {
            let cases = cases();
            let (mut file, ..) = cases[which.index(cases.len())].clone();
            for (place, value) in damage {
                let at = place.index(file.len());
                file[at] = value;
            }
            let plain = decode(Path::Portable, &file, MOST);
            if let Some(image) = &plain {
                let header = header::read(&file).expect("a header");
                prop_assert_eq!((image.width(), image.height()), (header.width, header.height));
                prop_assert!(image.width() as u64 * image.height() as u64 <= MOST);
            }
            for path in Path::here() {
                prop_assert_eq!(&decode(path, &file, MOST), &plain, "{}", path);
            }
        }
    }
}
