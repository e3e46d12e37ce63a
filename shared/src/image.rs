//! RGB images with 8 bits per channel.

/// An RGB image, rows from the top, three bytes per pixel. The default has no pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rgb8 {
    width: usize,
    height: usize,
    /// `height * width * 3` bytes.
    data: Vec<u8>,
}

/// The bytes given for an image do not fit its size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an RGB image of {width} x {height} pixels takes {expected} bytes, not {got}")]
pub struct SizeMismatch {
    width: usize,
    height: usize,
    expected: usize,
    got: usize,
}

impl Rgb8 {
    /// Creates an image from `height * width * 3` bytes.
    ///
    /// # Errors
    /// When the number of bytes differs.
    pub fn from_raw(width: usize, height: usize, data: Vec<u8>) -> Result<Self, SizeMismatch> {
        let expected = width * height * 3;
        if data.len() == expected {
            Ok(Self { width, height, data })
        } else {
            Err(SizeMismatch { width, height, expected, got: data.len() })
        }
    }

    /// An image of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        let data = colour.iter().copied().cycle().take(width * height * 3).collect();
        Self { width, height, data }
    }

    /// An image whose pixel at `(x, y)` is `pixel(x, y)`.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut pixel: impl FnMut(usize, usize) -> [u8; 3],
    ) -> Self {
        let mut data = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                data.extend_from_slice(&pixel(x, y));
            }
        }
        Self { width, height, data }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All bytes, rows from the top.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, mutable.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The image's bytes, without a copy.
    pub fn into_raw(self) -> Vec<u8> {
        self.data
    }

    /// The pixel at column `x`, row `y`. Panics outside the image.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "pixel ({x}, {y}) outside the image");
        let at = (y * self.width + x) * 3;
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// Sets the pixel at column `x`, row `y`. Panics outside the image.
    pub fn set_pixel(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        assert!(x < self.width && y < self.height, "pixel ({x}, {y}) outside the image");
        let at = (y * self.width + x) * 3;
        self.data[at..at + 3].copy_from_slice(&colour);
    }

    /// Puts another image over this one, its upper left corner at `(x, y)`. Panics when it reaches outside.
    pub fn paste(&mut self, image: &Self, x: usize, y: usize) {
        assert!(
            x + image.width <= self.width && y + image.height <= self.height,
            "an image of {} x {} at ({x}, {y}) outside {} x {}",
            image.width,
            image.height,
            self.width,
            self.height
        );
        let stride = 3 * self.width;
        for (row, pixels) in (y..).zip(image.data.chunks_exact((3 * image.width).max(1))) {
            self.data[row * stride + 3 * x..][..pixels.len()].copy_from_slice(pixels);
        }
    }

    /// The image mirrored left to right.
    pub fn mirrored(&self) -> Self {
        let mut data = self.data.clone();
        for row in data.chunks_exact_mut((3 * self.width).max(1)) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
        Self { data, ..*self }
    }
}

/// Peak signal-to-noise ratio in dB, 8-bit peak, over all channels; infinite for equal images.
/// Panics when the sizes differ.
pub fn psnr(a: &Rgb8, b: &Rgb8) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height), "PSNR of images of different sizes");
    let squares: u64 =
        a.data.iter().zip(&b.data).map(|(&p, &q)| u64::from(p.abs_diff(q)).pow(2)).sum();
    if squares == 0 {
        return f64::INFINITY;
    }
    let mse = squares as f64 / a.data.len() as f64;
    10.0 * (255.0 * 255.0 / mse).log10()
}

/// The largest difference of a channel between the two images of any pair, in levels of 0–255.
/// Panics when the sizes of a pair differ.
pub fn largest_difference<'i>(pairs: impl IntoIterator<Item = (&'i Rgb8, &'i Rgb8)>) -> u8 {
    let of = |(before, after): (&Rgb8, &Rgb8)| {
        assert_eq!(
            (before.width, before.height),
            (after.width, after.height),
            "difference of images of different sizes"
        );
        before.data.iter().zip(&after.data).map(|(&b, &a)| a.abs_diff(b)).max().unwrap_or(0)
    };
    pairs.into_iter().map(of).max().unwrap_or(0)
}

/// The gain at which the largest difference, in levels of 0–255, is black or white around mid-grey.
pub fn gain(largest: u8) -> f32 {
    127.0 / f32::from(largest.max(1))
}

/// The difference `after - before`, amplified by `gain` around mid-grey (128) and clamped.
/// Panics when the sizes differ.
pub fn difference(before: &Rgb8, after: &Rgb8, gain: f32) -> Rgb8 {
    assert_eq!(
        (before.width, before.height),
        (after.width, after.height),
        "difference of images of different sizes"
    );
    // Redrawn on every move of a slider, so the value of each of the 511 possible differences is computed once.
    let shown: Vec<u8> = (-255i16..=255)
        .map(|change| (128.0 + f32::from(change) * gain).round().clamp(0.0, 255.0) as u8)
        .collect();
    let level = |(&b, &a): (&u8, &u8)| shown[255 + usize::from(a) - usize::from(b)];
    let data = before.data.iter().zip(&after.data).map(level).collect();
    Rgb8 { width: before.width, height: before.height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_by_hand() {
        let black = Rgb8::filled(2, 1, [0; 3]);
        let mut one = black.clone();
        one.set_pixel(0, 0, [255, 0, 0]);
        // One of six bytes differs by the peak: 10 log10(6).
        assert!((psnr(&black, &one) - 7.781_512_503_836_436).abs() < 1e-12);
        assert!(psnr(&black, &black).is_infinite());
    }

    #[test]
    fn difference_is_grey_where_nothing_changed() {
        let a = Rgb8::filled(1, 1, [10, 20, 30]);
        let b = Rgb8::filled(1, 1, [12, 20, 0]);
        assert_eq!(difference(&a, &b, 8.0).pixel(0, 0), [144, 128, 0]);
        assert_eq!(difference(&a, &b, 0.5).pixel(0, 0), [129, 128, 113]);
        assert_eq!(largest_difference([(&a, &a), (&a, &b)]), 30);
        assert_eq!(largest_difference([]), 0);
        let all = gain(largest_difference([(&a, &b)]));
        assert_eq!(difference(&a, &b, all).pixel(0, 0), [136, 128, 1]);
    }

    #[test]
    fn an_image_is_pasted_by_hand() {
        let mut image = Rgb8::from_fn(4, 3, |x, y| [x as u8, y as u8, 7]);
        let patch = Rgb8::from_fn(2, 2, |x, y| [100 + x as u8, 100 + y as u8, 0]);
        let clean = image.clone();
        image.paste(&patch, 1, 1);
        let expected = Rgb8::from_fn(4, 3, |x, y| match (x, y) {
            (1..3, 1..3) => patch.pixel(x - 1, y - 1),
            _ => clean.pixel(x, y),
        });
        assert_eq!(image, expected);
        image.paste(&clean, 0, 0);
        assert_eq!(image, clean);
    }

    #[test]
    fn mirror_twice_is_the_image() {
        let image = Rgb8::from_fn(5, 3, |x, y| [x as u8, y as u8, 7]);
        assert_eq!(image.mirrored().pixel(0, 2), [4, 2, 7]);
        assert_eq!(image.mirrored().mirrored(), image);
    }

    #[test]
    fn wrong_length_is_refused() {
        let error = Rgb8::from_raw(2, 2, vec![0; 11]).expect_err("11 bytes");
        assert_eq!(error.to_string(), "an RGB image of 2 x 2 pixels takes 12 bytes, not 11");
    }
}
