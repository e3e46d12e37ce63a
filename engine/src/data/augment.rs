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
pub use normalisation::{MEAN, Normalisation, STD, normalise};
pub use operation::{Operation, OperationKind};
pub use rand_augment::RandAugment;
use rand_chacha::ChaCha8Rng;
pub use shared::resize::Filter;
use shared::{
    Rgb8,
    resize::resize_inlined,
    stream::{below, uniform},
};

/// Aspect ratios of a crop, width over height.
const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// A part of an image, resized to the model's size and mirrored or not: what training sees of it in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// The image's number in its set.
    pub image: u32,
    /// The part.
    pub part: CropBox,
    /// Whether it is mirrored.
    pub flip: bool,
}

impl Crop {
    /// Draws what is seen of an image of `width` x `height`: a part ([`CropBox::draw`]), and with `flip` in half of the cases its mirror image.
    pub fn draw(
        image: u32,
        (width, height): (usize, usize),
        min_scale: f64,
        flip: bool,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let part = CropBox::draw(width, height, min_scale, rng);
        Self { image, part, flip: flip && uniform(rng) < 0.5 }
    }

    /// What is seen of this image, `side` x `side`.
    pub fn of(&self, image: &Rgb8, side: usize) -> Rgb8 {
        let resized = resize(&crop(image, self.part), side, side, Filter::Bicubic);
        if self.flip { resized.mirrored() } else { resized }
    }
}

/// Draws before a crop falls back to the centre of the image.
const TRIES: usize = 10;
/// Largest side that evaluation takes as it is: on small images, enlarging and cutting would only lose detail.
const SMALL: usize = 64;

/// A part of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropBox {
    /// Left column.
    pub x: usize,
    /// Upper row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl CropBox {
    /// The whole of an image of `width` x `height`.
    pub fn whole(width: usize, height: usize) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    /// Draws a crop of `min_scale` to 1 of the area with an aspect ratio of 3/4 to 4/3, at any place. After ten draws that
    /// do not fit: the largest centred crop whose aspect ratio is allowed. With a `min_scale` of 1 or more, the whole
    /// image. torchvision's `RandomResizedCrop.get_params`.
    pub fn draw(width: usize, height: usize, min_scale: f64, rng: &mut ChaCha8Rng) -> Self {
        if min_scale >= 1.0 {
            return Self::whole(width, height);
        }
        for _ in 0..TRIES {
            let (w, h) = draw_size(width, height, min_scale, rng);
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                return Self::placed(width, height, w, h, rng);
            }
        }
        let aspect = width as f64 / height as f64;
        let (w, h) = if aspect < ASPECT.0 {
            (width, (width as f64 / ASPECT.0).round_ties_even() as usize)
        } else if aspect > ASPECT.1 {
            ((height as f64 * ASPECT.1).round_ties_even() as usize, height)
        } else {
            (width, height)
        };
        let (w, h) = (w.clamp(1, width), h.clamp(1, height));
        Self { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h }
    }

    /// As [`CropBox::draw`] with one draw that is cut to the image's size where it does not fit: the crop of MAE's linear
    /// probe.
    pub fn draw_single(width: usize, height: usize, min_scale: f64, rng: &mut ChaCha8Rng) -> Self {
        if min_scale >= 1.0 {
            return Self::whole(width, height);
        }
        let (w, h) = draw_size(width, height, min_scale, rng);
        Self::placed(width, height, w.clamp(1, width), h.clamp(1, height), rng)
    }

    /// A crop of `w` x `h`, every place as likely.
    fn placed(width: usize, height: usize, w: usize, h: usize, rng: &mut ChaCha8Rng) -> Self {
        let y = below(rng, (height - h + 1) as u32) as usize;
        let x = below(rng, (width - w + 1) as u32) as usize;
        Self { x, y, width: w, height: h }
    }
}

/// Width and height of a crop: its area uniform, the logarithm of its aspect ratio uniform.
fn draw_size(width: usize, height: usize, min_scale: f64, rng: &mut ChaCha8Rng) -> (usize, usize) {
    let mut between = |low: f64, high: f64| low + (high - low) * f64::from(uniform(rng));
    let area = (width * height) as f64 * between(min_scale, 1.0);
    let aspect = between(ASPECT.0.ln(), ASPECT.1.ln()).exp();
    let side = |square: f64| square.sqrt().round_ties_even() as usize;
    (side(area * aspect), side(area / aspect))
}

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

/// Cuts a part out of an image. Panics when it reaches outside.
pub fn crop(image: &Rgb8, part: CropBox) -> Rgb8 {
    if part == CropBox::whole(image.width(), image.height()) {
        return image.clone();
    }
    let mut data = Vec::with_capacity(part.width * part.height * 3);
    for row in part.y..part.y + part.height {
        let start = (row * image.width() + part.x) * 3;
        data.extend_from_slice(&image.data()[start..start + part.width * 3]);
    }
    Rgb8::from_raw(part.width, part.height, data).expect("rows of the part's width")
}

#[cfg(test)]
mod tests;
