//! Crops, mirror images, `RandAugment`, normalisation and random erasing: what happens to an image between memory and model.
//!
//! Parameters and order of torchvision's and timm's transforms: a crop is cut out first and resized then, so no pixel beside
//! the crop bleeds into it. The random numbers come from the caller's stream, so they are not torchvision's.

mod enhance;
mod erase;
mod geometry;
mod normalisation;
mod operation;
mod rand_augment;
mod tone;

pub use erase::{EraseBox, erase};
use kernel::{Path, vectorized};
pub use normalisation::{MEAN, Normalisation, STD, normalise, to_image, to_intensity};
pub use operation::{Operation, OperationKind};
pub use rand_augment::RandAugment;
use rand_chacha::ChaCha8Rng;
pub use shared::crop::{Crop, CropBox, crop};
pub use shared::resize::Filter;
use shared::{Rgb8, resize::resize_inlined, stream::uniform};

/// Largest side that evaluation takes as it is: on small images, enlarging and cutting would only lose detail.
const SMALL: usize = 64;

/// As [`shared::resize::resize`], for this processor.
pub fn resize(image: &Rgb8, width: usize, height: usize, filter: Filter) -> Rgb8 {
    vectorized! {
        fn resized<'a>(
            image: &'a Rgb8,
            width: usize,
            height: usize,
            filter: Filter,
            out: &'a mut Option<Rgb8>,
        ) {
            *out = Some(resize_inlined(image, width, height, filter));
        }
    }
    let mut out = None;
    resized(Path::fastest(), image, width, height, filter, &mut out);
    out.expect("a resized image")
}

/// What is seen of an image ([`Crop::of`]), for this processor.
pub fn seen(crop: &Crop, image: &Rgb8, side: usize) -> Rgb8 {
    crop.of_resized(image, |part| resize(part, side, side, Filter::Bicubic))
}

/// A random part of the image ([`CropBox::draw`]), resized to `side` x `side`.
pub fn random_resized_crop(
    image: &Rgb8,
    side: usize,
    min_scale: f64,
    filter: Filter,
    rng: &mut ChaCha8Rng,
) -> Rgb8 {
    let part = CropBox::draw(image.width(), image.height(), min_scale, rng);
    resize(&crop(image, part), side, side, filter)
}

/// A random part of the image ([`CropBox::draw_single`]), resized to `side` x `side`.
pub fn random_resized_crop_single(
    image: &Rgb8,
    side: usize,
    min_scale: f64,
    filter: Filter,
    rng: &mut ChaCha8Rng,
) -> Rgb8 {
    let part = CropBox::draw_single(image.width(), image.height(), min_scale, rng);
    resize(&crop(image, part), side, side, filter)
}

/// The image or, as often, its mirror image.
pub fn random_flip(image: Rgb8, rng: &mut ChaCha8Rng) -> Rgb8 {
    if uniform(rng) < 0.5 { image.mirrored() } else { image }
}

/// A `side` x `side` image as evaluation sees it: unchanged up to 64 px; above, enlarged to `side * 256 / 224` (bicubic)
/// and cut to the centre `side` x `side`.
pub fn eval_transform(image: &Rgb8, side: usize) -> Rgb8 {
    if side <= SMALL {
        return resize(image, side, side, Filter::Bicubic);
    }
    let enlarged = side * 256 / 224;
    let margin = ((enlarged - side) as f64 / 2.0).round_ties_even() as usize;
    let centre = CropBox { x: margin, y: margin, width: side, height: side };
    crop(&resize(image, enlarged, enlarged, Filter::Bicubic), centre)
}

#[cfg(test)]
mod tests;
