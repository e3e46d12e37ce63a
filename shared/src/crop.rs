//! Random crops: which part of an image training sees.
//!
//! Parameters and order of torchvision's transforms: a crop is cut out first and resized then, so no pixel beside the crop bleeds into
//! it. The random numbers come from the caller's stream, so they are not torchvision's.

use rand_chacha::ChaCha8Rng;

use crate::{
    image::Rgb8,
    resize::{Filter, resize},
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
        self.of_resized(image, |part| resize(part, side, side, Filter::Bicubic))
    }

    /// As [`Crop::of`] with another function that resizes.
    pub fn of_resized(&self, image: &Rgb8, resize: impl FnOnce(&Rgb8) -> Rgb8) -> Rgb8 {
        let resized = resize(&crop(image, self.part));
        if self.flip { resized.mirrored() } else { resized }
    }
}

/// Draws before a crop falls back to the centre of the image.
const TRIES: usize = 10;
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stream::{Purpose, stream};

    fn rng(seed: u64) -> ChaCha8Rng {
        stream(seed, Purpose::Augment, 0, 0)
    }

    proptest! {
        #[test]
        fn a_crop_lies_inside(width in 1usize..300, height in 1usize..300, min_scale in 0.01f64..1.2, seed: u64) {
            for part in [
                CropBox::draw(width, height, min_scale, &mut rng(seed)),
                CropBox::draw_single(width, height, min_scale, &mut rng(seed)),
            ] {
                prop_assert!(part.width >= 1 && part.x + part.width <= width, "{part:?}");
                prop_assert!(part.height >= 1 && part.y + part.height <= height, "{part:?}");
            }
        }

        #[test]
        fn a_crop_of_a_large_square_has_the_wanted_area_and_aspect(min_scale in 0.05f64..0.6, seed: u64) {
            let part = CropBox::draw(1000, 1000, min_scale, &mut rng(seed));
            let area = (part.width * part.height) as f64 / 1e6;
            let aspect = part.width as f64 / part.height as f64;
            prop_assert!(area > min_scale - 0.01 && area <= 1.0, "{area}");
            prop_assert!((0.74..1.345).contains(&aspect), "{aspect}");
        }
    }

    #[test]
    fn sizes_and_places_are_spread_evenly() {
        let mut rng = rng(3);
        let (mut area, mut wide, mut left, mut fallback) = (0.0, 0, 0.0, 0);
        let n = 4000;
        for _ in 0..n {
            let part = CropBox::draw(1000, 1000, 0.2, &mut rng);
            area += (part.width * part.height) as f64 / 1e6 / f64::from(n);
            wide += i32::from(part.width > part.height);
            fallback += i32::from(part == CropBox::whole(1000, 1000));
            left += part.x as f64 / (1000 - part.width).max(1) as f64 / f64::from(n);
        }
        // An area a is drawn evenly from 0.2..1 and fits when |ln aspect| <= -ln a: always up to 3/4, above with the
        // probability -ln a / ln(4/3). Its mean is (0.26125 + 0.09895) / (0.55 + 0.11902) = 0.5384.
        assert!((0.528..0.548).contains(&area), "{area}");
        assert!((1850..2150).contains(&wide), "{wide}");
        assert!((0.48..0.52).contains(&left), "{left}");
        assert!(fallback < 40, "{fallback}");
    }

    #[test]
    fn an_image_too_flat_for_any_draw_gives_its_centre() {
        // Every crop of at least 0.9 of the area of 1000 x 10 is far higher than 10 rows.
        assert_eq!(
            CropBox::draw(1000, 10, 0.9, &mut rng(1)),
            CropBox { x: 493, y: 0, width: 13, height: 10 }
        );
        assert_eq!(
            CropBox::draw(10, 1000, 0.9, &mut rng(1)),
            CropBox { x: 0, y: 493, width: 10, height: 13 }
        );
        let single = CropBox::draw_single(1000, 10, 0.9, &mut rng(1));
        assert_eq!((single.y, single.height), (0, 10));
        assert!((82..=110).contains(&single.width), "{single:?}");
    }
}
