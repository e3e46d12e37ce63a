//! From bytes to the numbers that a model sees.

use std::array::from_fn;

use shared::Rgb8;

/// Mean of `ImageNet`'s red, green and blue, in intensities of 0–1.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of `ImageNet`'s red, green and blue, in intensities of 0–1.
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What is taken from the intensities of 0–1 of each channel, and what they are divided by then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// Taken away, in intensities of 0–1: red, green, blue.
    pub mean: [f32; 3],
    /// Divided by, in intensities of 0–1; never 0.
    pub std: [f32; 3],
}

impl Normalisation {
    /// That of MAE and of all models of this program.
    pub const IMAGENET: Self = Self { mean: MEAN, std: STD };

    /// The number that each byte becomes, in each channel.
    pub fn table(&self) -> [[f32; 256]; 3] {
        from_fn(|channel| {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
        })
    }

    /// Writes the image as `[3, height, width]`: intensities of 0–1, less the mean, over the deviation. Panics when `out` has
    /// another length than `3 * height * width`.
    pub fn apply(&self, image: &Rgb8, out: &mut [f32]) {
        assert_eq!(out.len(), image.data().len(), "one number for each byte of the image");
        // A look into a table takes less time than two divisions.
        let tables = self.table();
        let plane = image.width() * image.height();
        let (red, rest) = out.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        let places = red.iter_mut().zip(green).zip(blue);
        for (((red, green), blue), pixel) in places.zip(image.data().as_chunks::<3>().0) {
            let [r, g, b] = pixel.map(usize::from);
            (*red, *green, *blue) = (tables[0][r], tables[1][g], tables[2][b]);
        }
    }
}

/// [`Normalisation::IMAGENET`] of an image. Panics when `out` has another length than `3 * height * width`.
pub fn normalise(image: &Rgb8, out: &mut [f32]) {
    Normalisation::IMAGENET.apply(image, out);
}

/// The inverse of [`normalise`] for one value of a channel: its intensity, 0–1.
pub fn to_intensity(value: f32, channel: usize) -> f32 {
    value * STD[channel] + MEAN[channel]
}

/// The inverse of [`normalise`]: the image of `[3, side, side]` normalised values, rounded to bytes.
pub fn to_image(values: &[f32], side: usize) -> Rgb8 {
    Rgb8::from_fn(side, side, |x, y| {
        [0, 1, 2].map(|channel| {
            let value = values[(channel * side + y) * side + x];
            (to_intensity(value, channel) * 255.0).round().clamp(0.0, 255.0) as u8
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_by_hand() {
        let mut image = Rgb8::filled(2, 1, [0, 255, 51]);
        image.set_pixel(1, 0, [255, 0, 0]);
        let half = Normalisation { mean: [0.5; 3], std: [0.5, 0.5, 0.2] };
        let mut out = [0.0; 6];
        half.apply(&image, &mut out);
        let expected = [-1.0, 1.0, 1.0, -1.0, -1.5, -2.5];
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
    }
}
