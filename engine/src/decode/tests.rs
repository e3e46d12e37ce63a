use std::io::Cursor;

use image::{DynamicImage, ImageFormat, codecs::jpeg::JpegEncoder};
use proptest::prelude::*;

use super::{testing::flat_cmyk_jpeg, *};

fn decoded(bytes: &[u8]) -> Rgb8 {
    decode(bytes, Limits::default(), Transparency::Drop).expect("a sound image")
}

fn refused(bytes: &[u8]) -> String {
    match decode(bytes, Limits::default(), Transparency::Drop) {
        Ok(_) => panic!("these bytes are no sound image"),
        Err(error) => error.to_string(),
    }
}

fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("memory");
    bytes.into_inner()
}

fn gradient(side: u32) -> DynamicImage {
    image::RgbImage::from_fn(side, side, |x, y| image::Rgb([(x * 3) as u8, (y * 2) as u8, 90]))
        .into()
}

#[test]
fn lossless_formats_keep_every_pixel() {
    let image = gradient(40);
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let read = decoded(&file(&image, format));
        assert_eq!((read.width(), read.height()), (40, 40));
        assert_eq!(read.data(), image.as_bytes(), "{format:?}");
    }
}

#[test]
fn a_ppm_is_its_bytes_behind_a_header() {
    let ppm = |head: &str, pixels: &[u8]| [head.as_bytes(), pixels].concat();
    let read = decoded(&ppm("P6\n# a comment\n2 1\n255\n", &[1, 2, 3, 4, 5, 6]));
    assert_eq!((read.width(), read.data()), (2, &[1, 2, 3, 4, 5, 6][..]));
    assert_eq!(decoded(&ppm("P5 1 1 255 ", &[9])).pixel(0, 0), [9; 3]);
    // 255 * 2 / 15 = 34; 255 * 258 / 1023 = 64.3.
    assert_eq!(decoded(&ppm("P6 1 1 15 ", &[0, 2, 15])).pixel(0, 0), [0, 34, 255]);
    assert_eq!(decoded(&ppm("P5 1 1 1023 ", &[1, 2])).pixel(0, 0), [64; 3]);
    assert_eq!(decoded(b"P3 1 1 255 7 8 9").pixel(0, 0), [7, 8, 9]);
    assert_eq!(decoded(b"P1 3 1\n1 01").data(), [[0; 3], [255; 3], [0; 3]].as_flattened());
    assert_eq!(decoded(&ppm("P4 9 1\n", &[0x7f, 0x80])).pixel(0, 0), [255; 3]);
    let truncated =
        "the PNM file is truncated: it ends before the image does; a whole file is needed";
    assert_eq!(refused(&ppm("P6\n2 1\n255\n", &[1, 2, 3])), truncated);
    assert_eq!(refused(b"P6 3000 3000 255 "), truncated);
    assert_eq!(refused(b"P2 2 1 9 1"), truncated);
    assert_eq!(
        refused(b"P2 1 1 9 10"),
        "the PNM file is broken: a sample is 10; the largest value is 9"
    );
    assert_eq!(refused(b"P6 x"), "the PNM file is broken: its width is no whole number");
    assert!(refused(b"P6 30000 30000 255 ").starts_with("the image has 30000 x 30000 pixels"));
    assert!(
        refused(b"P5 1 1 70000 ").ends_with("its largest value is 70000; 1 to 65535 are possible")
    );
}

#[test]
fn a_png_comes_back() {
    let image = Rgb8::from_fn(5, 3, |x, y| [x as u8 * 50, y as u8 * 80, 7]);
    assert_eq!(decoded(&encode_png(&image)), image);
}

#[test]
fn a_jpeg_is_close() {
    let image = gradient(64);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&image).expect("memory");
    let read = decoded(&bytes);
    let worst = read.data().iter().zip(image.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst.expect("pixels") < 16, "{worst:?}");
}

#[test]
fn grey_and_deep_images_become_rgb8() {
    let grey = image::GrayImage::from_fn(4, 2, |x, y| image::Luma([(x * 60 + y) as u8]));
    let read = decoded(&file(&grey.into(), ImageFormat::Png));
    assert_eq!(read.pixel(3, 1), [181; 3]);
    let mut jpeg = Vec::new();
    let grey = image::GrayImage::from_pixel(16, 16, image::Luma([77]));
    JpegEncoder::new(&mut jpeg).encode_image(&DynamicImage::from(grey)).expect("memory");
    assert_eq!(decoded(&jpeg).pixel(9, 9), [77; 3]);
    let deep = image::ImageBuffer::from_pixel(3, 3, image::Rgb([65535_u16, 32896, 0]));
    let read = decoded(&file(&DynamicImage::ImageRgb16(deep), ImageFormat::Png));
    assert_eq!(read.pixel(1, 1), [255, 128, 0]);
}

#[test]
fn alpha_is_dropped_or_laid_on_white() {
    let image = image::RgbaImage::from_fn(3, 1, |x, _| {
        image::Rgba([200, 0, 100, [0, 128, 255][x as usize]])
    });
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff] {
        let file = match format {
            ImageFormat::Tiff => testing::rgba_tiff(image.as_raw(), 3, 1),
            _ => file(&image.clone().into(), format),
        };
        assert_eq!(decoded(&file).data(), [[200, 0, 100]; 3].as_flattened(), "{format:?}");
        let read = decode(&file, Limits::default(), Transparency::White).expect("a sound image");
        assert_eq!(read.pixel(0, 0), [255, 255, 255]);
        // (200 * 128 + 255 * 127) / 255 = 227.4, 127 and (100 * 128 + 255 * 127) / 255 = 177.2
        assert_eq!(read.pixel(1, 0), [227, 127, 177]);
        assert_eq!(read.pixel(2, 0), [200, 0, 100]);
    }
}

#[test]
fn a_palette_is_looked_up() {
    let file = testing::palette_png();
    let read = decoded(&file);
    assert_eq!((read.pixel(0, 0), read.pixel(1, 0)), ([255, 0, 0], [0, 0, 255]));
    assert_eq!(read.pixel(2, 0), [0, 255, 0], "the third colour is transparent");
    let white = decode(&file, Limits::default(), Transparency::White).expect("a sound image");
    assert_eq!(white.pixel(2, 0), [255; 3]);
}

#[test]
fn inks_become_light_with_and_without_adobes_marker() {
    // Cyan 0.2, magenta 0.6, yellow 0, black 0.4, inverted as every program writes them.
    for adobe in [true, false] {
        let read = decoded(&flat_cmyk_jpeg([204, 102, 255, 153], adobe));
        // The light that is left: 204 * 153 / 255, 102 * 153 / 255, 255 * 153 / 255.
        assert_eq!(read.pixel(4, 4), [122, 61, 153], "{adobe}");
    }
}

#[test]
fn a_png_without_its_end_or_with_a_wrong_checksum_of_its_pixels_is_read() {
    let image = Rgb8::from_fn(5, 3, |x, y| [x as u8 * 50, y as u8 * 80, 7]);
    let file = encode_png(&image);
    let data = file.windows(4).position(|kind| kind == b"IDAT").expect("image data") - 4;
    let length = u32::from_be_bytes(file[data..data + 4].try_into().expect("four bytes")) as usize;
    let end = data + 12 + length;
    for cut in [file.len() - 12, end, end - 4, end - 3] {
        assert_eq!(decoded(&file[..cut]), image, "cut to {cut} of {}", file.len());
    }
    let mut wrong = file.clone();
    wrong[end - 1] ^= 1;
    assert_eq!(decoded(&wrong), image);
    assert!(refused(&file[..end - 5]).starts_with("the PNG file is truncated"));
    let mut header = file;
    header[19] ^= 1;
    assert_eq!(refused(&header), "the PNG file is broken: the checksum of its IHDR chunk is wrong");
}

#[test]
fn stray_bytes_between_the_headers_of_a_jpeg_do_no_harm() {
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).encode_image(&gradient(40)).expect("memory");
    let image = decoded(&bytes);
    let table = bytes.windows(2).position(|pair| pair == [0xff, 0xdb]).expect("a table");
    let mut strayed = bytes.clone();
    strayed.splice(table..table, [1, 2, 3]);
    assert_eq!(decoded(&strayed), image);
    let mut longer = bytes.clone();
    longer.splice(bytes.len() - 2..bytes.len() - 2, [0x12, 0x34]);
    assert_eq!(decoded(&longer), image, "bytes before the end");
    bytes.extend(b"a trailer");
    assert_eq!(decoded(&bytes), image);
}

#[test]
fn a_damaged_jpeg_is_not_taken_for_what_is_left_of_it() {
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).encode_image(&gradient(64)).expect("memory");
    let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).expect("a scan");
    // The data ends in the middle, and the end marker follows.
    let cut = [&bytes[..scan + 14 + (bytes.len() - scan) / 2], &[0xff, 0xd9]].concat();
    assert!(refused(&cut).starts_with("the JPEG file is broken: its image data is damaged"));
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).encode_image(&gradient(16)).expect("memory");
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
    bytes[frame + 1] = 0xc2;
    bytes.splice(bytes.len() - 2..bytes.len() - 2, [0xff, 0xda].repeat(600));
    assert_eq!(refused(&bytes), "this kind of JPEG is not read: more than 500 scans");
}

#[test]
fn a_cut_jpeg_is_refused_wherever_it_is_cut() {
    let mut bytes = Vec::new();
    JpegEncoder::new(&mut bytes).encode_image(&gradient(64)).expect("memory");
    for cut in [bytes.len() - 1, bytes.len() - 2, bytes.len() * 3 / 4, bytes.len() / 2, 200, 30, 3]
    {
        assert_eq!(
            refused(&bytes[..cut]),
            "the JPEG file is truncated: it ends before the image does; a whole file is needed",
            "cut to {cut} of {}",
            bytes.len()
        );
    }
}

#[test]
fn cut_png_and_webp_files_are_refused() {
    for (format, name) in [(ImageFormat::Png, "PNG"), (ImageFormat::WebP, "WebP")] {
        let bytes = file(&gradient(64), format);
        for cut in [bytes.len() / 2, bytes.len() * 9 / 10, 40] {
            let message = refused(&bytes[..cut]);
            assert!(message.starts_with(&format!("the {name} file is ")), "{message}");
        }
    }
}

#[test]
fn the_content_counts_and_not_the_name() {
    for (bytes, found) in [
        ("This is no image, \u{e4}h.\n".as_bytes(), "text"),
        (&[0, 1, 2, 250], "something else"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            "a Git LFS pointer, not the image itself (`git lfs pull` fetches it)",
        ),
        (b"\n<!DOCTYPE html><title>404", "an HTML page, as a failed download leaves it"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "XML or SVG"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"\0\0\0\x18ftypavif", "an AVIF image"),
        (b"\0\0\0\x18ftypheic", "a HEIC image"),
        (&[0; 40], "zeros only"),
        (b"BMW and others", "text"),
    ] {
        assert_eq!(
            refused(bytes),
            format!(
                "the file's content is {found}; a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM image is needed"
            )
        );
    }
    assert_eq!(
        refused(b""),
        "the file is empty; a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM image is needed"
    );
}

#[test]
fn a_huge_header_is_refused_before_its_pixels_are_made() {
    // Nothing but the header is there: a decoder that began with the pixels would say "truncated".
    assert_eq!(
        refused(&testing::png_header(30_000, 30_000)),
        "the image has 30000 x 30000 pixels (900 megapixels); at most 64 megapixels are taken"
    );
    assert!(refused(&testing::png_header(8_000, 8_000)).starts_with("the PNG file is "));
    let mut jpeg = flat_cmyk_jpeg([0; 4], true);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    assert!(refused(&jpeg).starts_with("the image has 30000 x 30000 pixels"));
}

#[test]
fn a_tiff_of_endless_rows_is_refused_before_they_are_made() {
    let mut file = testing::rgba_tiff(&[7; 8], 2, 1);
    let put = |file: &mut Vec<u8>, entry: usize, tag: u16, value: u32| {
        let at = 10 + 12 * entry;
        file[at..at + 2].copy_from_slice(&tag.to_le_bytes());
        file[at + 8..at + 12].copy_from_slice(&value.to_le_bytes());
    };
    // Samples of a pixel.
    put(&mut file, 5, 277, 65535);
    assert!(decode(&file, Limits::default(), Transparency::Drop).is_err());
    let mut file = testing::rgba_tiff(&[7; 8], 2, 1);
    // Rows of a strip become the width of a tile: the numbers of tiles stay in the order of the tags.
    put(&mut file, 4, 322, u32::MAX);
    assert!(decode(&file, Limits::default(), Transparency::Drop).is_err());
}

/// A grey TIFF file of 2 x 2 pixels in one tile of this width.
fn tiled_tiff(width: u32) -> Vec<u8> {
    let entries = [
        (256, 2),
        (257, 2),
        (258, 8),
        (259, 1),
        (262, 1),
        (277, 1),
        (322, width),
        (323, 16),
        (324, 8),
        (325, 4),
    ];
    let mut file = b"II*\0\x0c\0\0\0\x07\x07\x07\x07".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend(u16::to_le_bytes(tag));
        file.extend([4, 0, 1, 0, 0, 0]);
        file.extend(u32::to_le_bytes(value));
    }
    file.extend([0; 4]);
    file
}

#[test]
fn a_part_of_an_image_that_is_larger_than_the_image_is_counted() {
    let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
    let refused = |file: &[u8]| decode(file, limits, Transparency::Drop).unwrap_err().to_string();
    let tile = refused(&tiled_tiff(800_000));
    assert!(tile.starts_with("the image has 800000 x 2 pixels"), "{tile}");
    // A number of values that the file has no room for.
    let mut many = tiled_tiff(16);
    many[18..22].copy_from_slice(&2_293_761u32.to_le_bytes());
    assert!(refused(&many).starts_with("the TIFF file is truncated"));
    // Usual tiles reach beyond a small image, too.
    assert!(decode(&tiled_tiff(16), limits, Transparency::Drop).is_ok());
    // A screen of one pixel, and a picture whose pixels are not even there.
    let gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\0\x10\0\x10\0\x02\x01\0";
    let gif = refused(gif);
    assert!(gif.starts_with("the image has 4096 x 4096 pixels"), "{gif}");
}

#[test]
fn the_oldest_bmp_header_has_no_sixteen_bits() {
    // Two pixels of 24 bits behind a header of 12 bytes: blue 5, green 6, red 16, then blue 0, green 9, red 200.
    let head = b"BM\0\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x02\0\x01\0\x01\0\x18\0";
    let read = decoded(&[&head[..], &[5, 6, 16, 0, 9, 200, 0, 0]].concat());
    assert_eq!(read.data(), [16, 6, 5, 200, 9, 0]);
}

#[test]
fn a_long_file_is_refused() {
    let limits = Limits { max_bytes: 3 << 20, ..Limits::default() };
    let error = decode(&vec![0; (3 << 20) + 1], limits, Transparency::Drop).expect_err("too long");
    assert_eq!(error.to_string(), "the file has 4 MiB; at most 3 MiB are taken");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_give_an_image_or_an_error(start in 0usize..9, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let starts: [&[u8]; 9] = [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"RIFF\x40\0\0\0WEBPVP8",
            b"P6 ",
            b"GIF89a",
            b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0",
            b"II*\0\x08\0\0\0",
            b"MM\0*\0\0\0\x08",
        ];
        let _ = decode(&[starts[start], &bytes].concat(), Limits::default(), Transparency::Drop);
    }

    #[test]
    fn a_damaged_file_gives_an_image_or_an_error(
        which in 0usize..7,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut jpeg = Vec::new();
        JpegEncoder::new(&mut jpeg).encode_image(&gradient(24)).expect("memory");
        let mut bytes = match which {
            0 => jpeg,
            1 => file(&gradient(24), ImageFormat::Png),
            2 => file(&gradient(24), ImageFormat::WebP),
            3 => file(&gradient(24), ImageFormat::Gif),
            4 => testing::bmp(24, 24),
            5 => testing::rgba_tiff(&[7; 24 * 24 * 4], 24, 24),
            _ => flat_cmyk_jpeg([1, 2, 3, 4], false),
        };
        for (place, value) in damage {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
        if let Ok(image) = decode(&bytes, limits, Transparency::White) {
            prop_assert!(image.width() * image.height() <= 1_000_000);
        }
    }
}

/// Files of a tar archive: a header of 512 bytes with the name at 0 and the octal size at 124, the content, zeros up to a
/// multiple of 512.
fn files_of_tar(archive: &[u8]) -> Vec<(String, &[u8])> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_string();
    let mut files = Vec::new();
    let mut rest = archive;
    while rest.len() > 512 && rest[0] != 0 {
        let size = usize::from_str_radix(text(&rest[124..136]).trim(), 8).expect("a tar header");
        files.push((text(&rest[..100]), &rest[512..512 + size]));
        rest = &rest[512 + size.next_multiple_of(512)..];
    }
    files
}

#[test]
fn real_photographs_are_read() {
    let Some(folder) = std::env::var_os("MASKDOOR_SAMPLE_DATA") else {
        eprintln!("skipped: MASKDOOR_SAMPLE_DATA names no folder with imagenet-sample.tar");
        return;
    };
    let path = std::path::Path::new(&folder).join("imagenet-sample.tar");
    let archive = std::fs::read(path).expect("the sample");
    let photographs: Vec<_> =
        files_of_tar(&archive).into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
    assert_eq!(photographs.len(), 100);
    for (name, bytes) in photographs {
        let read = |bytes| decode(bytes, Limits::default(), Transparency::Drop);
        let image = read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(image.width() >= 50 && image.height() >= 50, "{name}");
        assert!(read(&bytes[..bytes.len() - 2]).is_err(), "{name}, cut");
    }
}
