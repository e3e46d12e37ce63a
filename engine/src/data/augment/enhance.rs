//! More or less of a quality: the image blended with one that has none of it, or beyond. Pillow's `ImageEnhance`, after Haeberli
//! and Voorhies 1994, "Image processing by interpolation and extrapolation".

use shared::Rgb8;

use super::tone::each_value;

/// Colours: 0 is grey, 1 the image.
pub(super) fn color(image: &Rgb8, factor: f32) -> Rgb8 {
    let mut out = image.clone();
    for pixel in out.data_mut().chunks_exact_mut(3) {
        let grey = luma(pixel);
        for value in pixel {
            *value = blend(grey, *value, factor);
        }
    }
    out
}

/// Contrast: 0 is the mean lightness everywhere, 1 the image.
pub(super) fn contrast(image: &Rgb8, factor: f32) -> Rgb8 {
    let pixels = image.width() * image.height();
    let sum: usize = image.data().chunks_exact(3).map(|pixel| usize::from(luma(pixel))).sum();
    let mean = (2 * sum + pixels) / (2 * pixels);
    from_one_value(image, mean as u8, factor)
}

/// Lightness: 0 is black, 1 the image.
pub(super) fn brightness(image: &Rgb8, factor: f32) -> Rgb8 {
    from_one_value(image, 0, factor)
}

/// Sharpness: 0 is the smoothed image, 1 the image.
pub(super) fn sharpness(image: &Rgb8, factor: f32) -> Rgb8 {
    let mut out = smoothed(image);
    for (value, &original) in out.data_mut().iter_mut().zip(image.data()) {
        *value = blend(*value, original, factor);
    }
    out
}

/// From `without` (factor 0) to `original` (factor 1) and beyond; of what is no whole number, the whole part.
fn blend(without: u8, original: u8, factor: f32) -> u8 {
    let difference = f32::from(i16::from(original) - i16::from(without));
    (f32::from(without) + factor * difference) as u8
}

/// Every value blended with the same one.
fn from_one_value(image: &Rgb8, without: u8, factor: f32) -> Rgb8 {
    let table: [u8; 256] = std::array::from_fn(|value| blend(without, value as u8, factor));
    each_value(image, |value| table[usize::from(value)])
}

/// Lightness of a pixel, BT.601 in 16 bits after the point.
fn luma(pixel: &[u8]) -> u8 {
    let [red, green, blue] = [0, 1, 2].map(|channel| u32::from(pixel[channel]));
    ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16) as u8
}

/// Each pixel becomes the mean of its 3 x 3 neighbours with itself five times, to the nearest number; those of the edge stay.
/// Pillow's `ImageFilter.SMOOTH`.
fn smoothed(image: &Rgb8) -> Rgb8 {
    let (width, height) = (image.width(), image.height());
    let mut out = image.clone();
    if width < 3 || height < 3 {
        return out;
    }
    let stride = width * 3;
    let inner = out.data_mut()[stride..(height - 1) * stride].chunks_exact_mut(stride);
    for (row, rows) in inner.zip(image.data().windows(3 * stride).step_by(stride)) {
        let columns: Vec<u16> = (0..stride)
            .map(|i| [0, stride, 2 * stride].map(|line| u16::from(rows[line + i])).iter().sum())
            .collect();
        let sums = columns.iter().zip(&columns[3..]).zip(&columns[6..]);
        for (value, ((left, middle), right)) in row[3..].iter_mut().zip(sums) {
            let sum = left + middle + right + 4 * u16::from(*value);
            *value = ((2 * sum + 13) / 26) as u8;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blends_by_hand() {
        let image = Rgb8::from_raw(2, 1, vec![200, 100, 50, 0, 0, 0]).expect("size");
        // Lightness 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2 of the first pixel, 0 of the second: a mean of 62.
        assert_eq!(color(&image, 0.0).data(), [124, 124, 124, 0, 0, 0]);
        // 124 + 1.5 * (200 - 124) = 238, 124 - 36 = 88, 124 - 111 = 13
        assert_eq!(color(&image, 1.5).data(), [238, 88, 13, 0, 0, 0]);
        // 62 + 0.5 * 138 = 131, 62 + 0.5 * 38 = 81, 62 - 0.5 * 12 = 56, 62 - 0.5 * 62 = 31
        assert_eq!(contrast(&image, 0.5).data(), [131, 81, 56, 31, 31, 31]);
        // 62 + 2 * 138 = 338, 62 + 2 * 38 = 138, 62 - 2 * 12 = 38, 62 - 2 * 62 = -62
        assert_eq!(contrast(&image, 2.0).data(), [255, 138, 38, 0, 0, 0]);
        assert_eq!(brightness(&image, 0.5).data(), [100, 50, 25, 0, 0, 0]);
        assert_eq!(brightness(&image, 1.5).data(), [255, 150, 75, 0, 0, 0]);
    }

    #[test]
    fn sharpness_by_hand() {
        let mut image = Rgb8::filled(4, 3, [13; 3]);
        image.set_pixel(1, 1, [130, 26, 13]);
        // The middle: (8 * 13 + 5 * 130) / 13 = 58 and (8 * 13 + 5 * 26) / 13 = 18; its neighbour (12 * 13 + 130) / 13 = 22
        // and (12 * 13 + 26) / 13 = 14. Edges stay.
        let soft = sharpness(&image, 0.0);
        assert_eq!([soft.pixel(1, 1), soft.pixel(2, 1)], [[58, 18, 13], [22, 14, 13]]);
        assert_eq!([soft.pixel(0, 1), soft.pixel(1, 0), soft.pixel(3, 2)], [[13; 3]; 3]);
        // 58 + 1.5 * (130 - 58) = 166, 18 + 1.5 * 8 = 30; 22 - 13.5 = 8.5, 14 - 1.5 = 12.5
        let sharp = sharpness(&image, 1.5);
        assert_eq!([sharp.pixel(1, 1), sharp.pixel(2, 1)], [[166, 30, 13], [8, 12, 13]]);
    }

    #[test]
    fn an_image_that_is_all_edge_stays() {
        for (width, height) in [(1, 1), (2, 5), (5, 2)] {
            let image = Rgb8::from_fn(width, height, |x, y| [(90 * x) as u8, (40 * y) as u8, 3]);
            assert_eq!(sharpness(&image, 0.1), image);
        }
    }
}
