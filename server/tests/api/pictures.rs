//! Image files and folders for tests.

use std::{fs, io::Cursor, path::Path};

use image::{ImageFormat, Rgb, RgbImage};

/// A picture of one colour with a dark corner, in the given format.
pub fn picture(side: u32, colour: [u8; 3], format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(side, side, |x, y| {
        Rgb(if x < side / 4 && y < side / 4 { [0; 3] } else { colour })
    });
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

pub fn png(side: u32) -> Vec<u8> {
    picture(side, [200, 40, 90], ImageFormat::Png)
}

/// An image folder with the classes `cat` and `dog`: 4 training and 2 validation images each.
pub fn image_folder(root: &Path) {
    for (split, count) in [("train", 4u8), ("val", 2)] {
        for (class, red) in [("cat", 10u8), ("dog", 200)] {
            let folder = root.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for i in 0..count {
                let file = picture(12, [red, i * 20, 50], ImageFormat::Png);
                fs::write(folder.join(format!("{i}.png")), file).unwrap();
            }
        }
    }
}

/// The beginning of a PNG file of this size, with a valid checksum and no pixels.
pub fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(13u32.to_be_bytes());
    file.extend(&chunk);
    file.extend(crc32(&chunk).to_be_bytes());
    file.extend([0, 0, 0, 0]);
    file.extend(b"IDAT");
    file.extend(crc32(b"IDAT").to_be_bytes());
    file
}

/// Checksum of a PNG chunk (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}
