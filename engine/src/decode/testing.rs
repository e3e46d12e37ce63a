//! Image files for tests that the `image` crate cannot write, byte by byte.

use std::fmt::Write;

/// A PNG file that ends behind its header.
pub fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]); // 8 bits, RGB, no interlacing
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &header)].concat()
}

/// A PNG file of three pixels from a palette: red, blue, and a green that is transparent.
pub fn palette_png() -> Vec<u8> {
    let header = [0, 0, 0, 3, 0, 0, 0, 1, 8, 3, 0, 0, 0];
    // One row (filter 0, colours 0, 1, 2) in a stored block of a zlib stream, with its Adler-32.
    let row = [0, 0, 1, 2];
    let (low, high) = row.iter().fold((1u32, 0u32), |(a, b), &v| (a + v, b + a + v));
    let mut data = vec![0x78, 0x01, 1, 4, 0, 251, 255, 0, 0, 1, 2];
    data.extend((high << 16 | low).to_be_bytes());
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(*b"IHDR", &header),
        chunk(*b"PLTE", &[255, 0, 0, 0, 0, 255, 0, 255, 0]),
        chunk(*b"tRNS", &[255, 255, 0]),
        chunk(*b"IDAT", &data),
        chunk(*b"IEND", &[]),
    ]
    .concat()
}

/// A TIFF file of RGBA pixels, uncompressed in one strip.
pub fn rgba_tiff(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    const ENTRIES: u16 = 9;
    let (short, long) = (3u16, 4u16);
    let bits_at = 8 + 2 + 12 * u32::from(ENTRIES) + 4;
    let pixels_at = bits_at + 8;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend(ENTRIES.to_le_bytes());
    for (tag, kind, count, value) in [
        (256u16, long, 1u32, width),
        (257, long, 1, height),
        (258, short, 4, bits_at),
        (262, short, 1, 2),
        (273, long, 1, pixels_at),
        (277, short, 1, 4),
        (278, long, 1, height),
        (279, long, 1, pixels.len() as u32),
        (338, short, 1, 2),
    ] {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file.extend([8, 0].repeat(4));
    file.extend(pixels);
    file
}

/// A BMP file of 24 bits a pixel, all of them grey; rows of a length that needs no filling.
pub fn bmp(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    file.extend([99].repeat((width * height * 3) as usize));
    file
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let mut crc = u32::MAX;
    for &byte in &body {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    [&(data.len() as u32).to_be_bytes(), body.as_slice(), &(!crc).to_be_bytes()].concat()
}

/// A baseline JPEG of 8 x 8 pixels in four flat channels, with or without Adobe's marker (which says that the inks are
/// inverted). Every channel is one block that holds nothing but its mean.
pub fn flat_cmyk_jpeg(channels: [u8; 4], adobe: bool) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    if adobe {
        segment(&mut file, 0xee, b"Adobe\0\x64\0\0\0\0\0");
    }
    // Divisors of 8: the mean of a block is stored as it is, less 128.
    segment(&mut file, 0xdb, &[[0].as_slice(), &[8; 64]].concat());
    let components = [1, 2, 3, 4].map(|id| [id, 0x11, 0]);
    segment(&mut file, 0xc0, &[[8, 0, 8, 0, 8, 4].as_slice(), components.as_flattened()].concat());
    // Means: nine codes of four bits for 0 to 8 bits of number. The rest: one code of one bit, "end of block".
    let counts = |length: usize, n: u8| (1..=16).map(move |l| if l == length { n } else { 0 });
    let means: Vec<u8> = [0].into_iter().chain(counts(4, 9)).chain(0..=8).collect();
    let rest: Vec<u8> = [0x10].into_iter().chain(counts(1, 1)).chain([0]).collect();
    segment(&mut file, 0xc4, &means);
    segment(&mut file, 0xc4, &rest);
    let scans = [1, 2, 3, 4].map(|id| [id, 0]);
    segment(&mut file, 0xda, &[[4].as_slice(), scans.as_flattened(), &[0, 63, 0]].concat());
    let mut bits = String::new();
    for channel in channels {
        let mean = i32::from(channel) - 128;
        let size = 32 - mean.unsigned_abs().leading_zeros() as usize;
        write!(bits, "{size:04b}").expect("memory");
        if size > 0 {
            let code = if mean < 0 { mean + (1 << size) - 1 } else { mean };
            write!(bits, "{code:0size$b}").expect("memory");
        }
        bits.push('0');
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    for byte in bits.as_bytes().chunks_exact(8) {
        let byte = byte.iter().fold(0, |sum, &bit| sum << 1 | u8::from(bit == b'1'));
        file.push(byte);
        if byte == 0xff {
            file.push(0);
        }
    }
    file.extend([0xff, 0xd9]);
    file
}

fn segment(file: &mut Vec<u8>, marker: u8, content: &[u8]) {
    file.extend([0xff, marker]);
    file.extend((content.len() as u16 + 2).to_be_bytes());
    file.extend(content);
}
