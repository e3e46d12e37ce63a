//! Fixed patterns that a trigger adds to an image.

use crate::image::Rgb8;

/// The amount added to each channel of each pixel, in steps of 0–255, in the order of [`Rgb8::data`].
#[derive(Clone, Debug)]
pub(super) struct Offsets(Vec<f32>);

impl Offsets {
    /// The pattern whose value at column `x`, row `y` is `at(x, y)`.
    pub fn new(side: usize, mut at: impl FnMut(usize, usize) -> [f64; 3]) -> Self {
        let mut values = Vec::with_capacity(side * side * 3);
        for y in 0..side {
            for x in 0..side {
                values.extend(at(x, y).map(|value| value as f32));
            }
        }
        Self(values)
    }

    /// Adds the pattern; sums are rounded and clipped to 0–255.
    pub fn add(&self, image: &mut Rgb8) {
        for (pixel, offset) in image.data_mut().iter_mut().zip(&self.0) {
            *pixel = to_byte(f32::from(*pixel) + offset);
        }
    }
}

/// The nearest integer in 0–255, halves rounded up.
pub(super) fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 0.5) as u8
}

/// The nearest integer in 0–255 to a share of 255.
pub(super) fn share_to_byte(share: f32) -> u8 {
    to_byte(share * 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_rounded_and_clipped() {
        let mut image = Rgb8::filled(1, 1, [250, 3, 100]);
        Offsets::new(1, |_, _| [9.0, -7.5, 0.5]).add(&mut image);
        assert_eq!(image.pixel(0, 0), [255, 0, 101]);
    }
}
