//! Random erasing (Zhong et al. 2020, "Random erasing data augmentation"): a box of the image becomes noise. As timm's `RandomErasing`
//! in the mode `pixel`, one box an image.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use shared::stream::{below, uniform};

/// Smallest and largest share of the area that is erased.
const AREA: (f64, f64) = (0.02, 1.0 / 3.0);
/// Aspect ratios of a box, height over width.
const ASPECT: (f64, f64) = (0.3, 1.0 / 0.3);
/// Draws before an image stays whole.
const TRIES: usize = 10;

/// A part of an image to erase, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseBox {
    /// Left column.
    pub x: usize,
    /// Upper row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl EraseBox {
    /// Draws a box of 0.02 to 1/3 of the area with an aspect ratio of 0.3 to 1/0.3, at any place of an image of
    /// `width` x `height`; in one of a few pixels it may have none. Nothing after ten draws that are as wide or as high as the
    /// image. The share of images that get one is
    /// the caller's.
    pub fn draw(width: usize, height: usize, rng: &mut ChaCha8Rng) -> Option<Self> {
        let mut between = |(low, high): (f64, f64)| low + (high - low) * f64::from(uniform(rng));
        let mut draw_size = || {
            let area = (width * height) as f64 * between(AREA);
            size(area, between((ASPECT.0.ln(), ASPECT.1.ln())).exp())
        };
        let (w, h) = (0..TRIES).map(|_| draw_size()).find(|&(w, h)| w < width && h < height)?;
        let y = below(rng, (height - h + 1) as u32) as usize;
        let x = below(rng, (width - w + 1) as u32) as usize;
        Some(Self { x, y, width: w, height: h })
    }

    fn columns(self) -> Range<usize> {
        self.x..self.x + self.width
    }

    fn rows(self) -> Range<usize> {
        self.y..self.y + self.height
    }
}

/// Width and height of a box.
fn size(area: f64, aspect: f64) -> (usize, usize) {
    let side = |square: f64| square.sqrt().round_ties_even() as usize;
    (side(area / aspect), side(area * aspect))
}

/// Replaces a box of normalised planes `[3, height, width]` by noise, a number for each value: channel by channel, row by row.
/// Panics when `planes` has another length or the box reaches outside.
pub fn erase(
    planes: &mut [f32],
    width: usize,
    height: usize,
    part: EraseBox,
    mut noise: impl FnMut() -> f32,
) {
    assert_eq!(planes.len(), 3 * width * height, "three planes of the image's size");
    for plane in planes.chunks_exact_mut(width * height) {
        for row in part.rows() {
            plane[row * width..][..width][part.columns()].fill_with(&mut noise);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::stream::{Purpose, stream};

    use super::*;

    fn rng(seed: u64) -> ChaCha8Rng {
        stream(seed, Purpose::Augment, 0, 0)
    }

    proptest! {
        #[test]
        fn a_box_lies_inside_and_is_smaller(width in 1usize..300, height in 1usize..300, seed: u64) {
            let drawn = EraseBox::draw(width, height, &mut rng(seed));
            prop_assert_eq!(EraseBox::draw(width, height, &mut rng(seed)), drawn);
            if let Some(part) = drawn {
                prop_assert!(part.width < width && part.x + part.width <= width, "{:?}", part);
                prop_assert!(part.height < height && part.y + part.height <= height, "{:?}", part);
            }
        }
    }

    #[test]
    fn sizes_by_hand() {
        // Height over width is the aspect ratio: 400 pixels at 4 are 10 x 40; halves go to the even side.
        assert_eq!(size(400.0, 4.0), (10, 40));
        assert_eq!(size(6.25, 1.0), (2, 2));
        assert_eq!(size(12.25, 1.0), (4, 4));
    }

    #[test]
    fn sizes_and_places_are_spread_evenly() {
        let mut rng = rng(6);
        let (mut area, mut high, mut left, mut smallest, mut largest) = (0.0, 0, 0.0, 1.0, 0.0);
        let n = 4000;
        for _ in 0..n {
            let part = EraseBox::draw(1000, 1000, &mut rng).expect("ten draws, most of which fit");
            let share = (part.width * part.height) as f64 / 1e6;
            area += share / f64::from(n);
            smallest = share.min(smallest);
            largest = share.max(largest);
            high += i32::from(part.height > part.width);
            left += part.x as f64 / (1000 - part.width) as f64 / f64::from(n);
        }
        // An area a is drawn evenly from 0.02–1/3 and fits when |ln aspect| < -ln a: always up to 0.3, above with the
        // probability -ln a / ln(1/0.3), 0.913 at the end. Its mean is that of 0.02–1/3, 0.1767, less 0.0007.
        assert!((0.170..0.182).contains(&area), "{area}");
        assert!(smallest > 0.0195 && smallest < 0.021, "{smallest}");
        assert!(largest < 0.3345 && largest > 0.328, "{largest}");
        assert!((1850..2150).contains(&high), "{high}");
        assert!((0.48..0.52).contains(&left), "{left}");
    }

    #[test]
    fn a_line_has_no_box() {
        // The lowest box has sqrt(0.02 * 1000 * 0.3) = 2.4 rows.
        assert_eq!(EraseBox::draw(1000, 1, &mut rng(1)), None);
    }

    #[test]
    fn noise_goes_channel_by_channel_and_row_by_row() {
        let mut planes = [0.0; 3 * 4 * 3];
        let mut next = 0.0;
        let part = EraseBox { x: 1, y: 1, width: 2, height: 2 };
        erase(&mut planes, 4, 3, part, || {
            next += 1.0;
            next
        });
        let plane = |first: f32| {
            let [a, b, c, d] = [0.0, 1.0, 2.0, 3.0].map(|step| first + step);
            [0.0, 0.0, 0.0, 0.0, 0.0, a, b, 0.0, 0.0, c, d, 0.0]
        };
        assert_eq!(planes[..], [plane(1.0), plane(5.0), plane(9.0)].concat());
    }
}
