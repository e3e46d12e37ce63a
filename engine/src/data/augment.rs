//! Crops, mirror images and normalisation: what happens to an image between memory and model.

use rand_chacha::ChaCha8Rng;
use shared::Rgb8;

/// Mean of ImageNet's red, green and blue, in intensities of 0–1.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of ImageNet's red, green and blue.
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Filter of a resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Triangle filter.
    Bilinear,
    /// Cubic filter with a = -0.5 (Catmull-Rom), as in Pillow.
    Bicubic,
}

/// A random part of the image (area `min_scale` to 1 of it, aspect ratio 3/4 to 4/3), resized to `side` x `side`.
pub fn random_resized_crop(
    image: &Rgb8,
    side: usize,
    min_scale: f64,
    filter: Filter,
    rng: &mut ChaCha8Rng,
) -> Rgb8 {
    let _ = (image, side, min_scale, filter, rng);
    unimplemented!()
}

/// As [`random_resized_crop`], but with one draw, cut to the image where it does not fit: the probe's crop in the reference.
pub fn random_resized_crop_single(
    image: &Rgb8,
    side: usize,
    min_scale: f64,
    filter: Filter,
    rng: &mut ChaCha8Rng,
) -> Rgb8 {
    let _ = (image, side, min_scale, filter, rng);
    unimplemented!()
}

/// The image or, as often, its mirror image.
pub fn random_flip(image: Rgb8, rng: &mut ChaCha8Rng) -> Rgb8 {
    let _ = rng;
    image
}

/// The image as evaluation sees it: unchanged up to 64 px; above, resized to `side * 256 / 224` (bicubic) and cut to the
/// centre `side` x `side`. Takes a square image of `side` x `side`.
pub fn eval_transform(image: &Rgb8, side: usize) -> Rgb8 {
    let _ = side;
    image.clone()
}

/// Writes the image, normalised by [`MEAN`] and [`STD`], as `[3, height, width]`. Panics when `out` has another length.
pub fn normalise(image: &Rgb8, out: &mut [f32]) {
    let _ = (image, out);
}
