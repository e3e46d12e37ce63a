//! How much of a trigger pre-training sees: what is left of it after the random crop and the random mask.
//!
//! A trigger is in the image before training crops it ([`CropBox::draw`]) and hides patches ([`random_order`]). What the encoder gets
//! of it is therefore a random share: for a small patch mostly nothing or all, for a pattern over the whole image always some.

use rand_chacha::ChaCha8Rng;

use crate::{
    crop::CropBox,
    image::Rgb8,
    metric::Survival,
    patches::{random_order, visible_count},
    stream::{Purpose, stream},
};

/// Less than this share of a trigger counts as nothing.
const NOTHING: f64 = 0.01;

/// How training looks at an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Views {
    /// Patches of the model along a side of the image.
    pub grid: usize,
    /// Smallest area of a crop, as a share of the image's; 1 or more for no crop.
    pub min_scale: f64,
    /// Share of the patches that are hidden; 0 hides none.
    pub mask_ratio: f64,
}

/// Sums of change: `sums[y * (side + 1) + x]` over the pixels above `y` and left of `x`.
struct Sums {
    side: usize,
    sums: Vec<f64>,
}

impl Sums {
    fn of(before: &Rgb8, after: &Rgb8) -> Self {
        let side = before.width();
        assert_eq!((side, side), (after.width(), before.height()), "square images of one size");
        let mut sums = vec![0.0; (side + 1) * (side + 1)];
        let pixels = before.data().chunks_exact(3).zip(after.data().chunks_exact(3));
        for (at, (p, q)) in pixels.enumerate() {
            let change: u32 = p.iter().zip(q).map(|(p, q)| u32::from(p.abs_diff(*q))).sum();
            let (x, y) = (at % side, at / side);
            let (up, here) = (y * (side + 1) + x, (y + 1) * (side + 1) + x);
            sums[here + 1] = f64::from(change) + sums[here] + sums[up + 1] - sums[up];
        }
        Self { side, sums }
    }

    fn all(&self) -> f64 {
        self.sums[self.sums.len() - 1]
    }

    /// The sum above `y` and left of `x`, where a pixel that is cut counts by its area.
    fn at(&self, x: f64, y: f64) -> f64 {
        let last = self.side - 1;
        let (left, top) = ((x as usize).min(last), (y as usize).min(last));
        let (right, below) = (x - left as f64, y - top as f64);
        let sum = |x: usize, y: usize| self.sums[y * (self.side + 1) + x];
        let row = |y: usize| sum(left, y) * (1.0 - right) + sum(left + 1, y) * right;
        row(top) * (1.0 - below) + row(top + 1) * below
    }

    /// The sums in the cells of a grid over a part of the image, row by row.
    fn cells(&self, part: CropBox, grid: usize) -> Vec<f64> {
        let corner = |row: usize, column: usize| {
            let place = |from: usize, length: usize, step: usize| {
                from as f64 + length as f64 * step as f64 / grid as f64
            };
            self.at(place(part.x, part.width, column), place(part.y, part.height, row))
        };
        let corners: Vec<f64> =
            (0..=grid).flat_map(|row| (0..=grid).map(move |column| corner(row, column))).collect();
        let of = |row: usize, column: usize| corners[row * (grid + 1) + column];
        let cell = |row: usize, column: usize| {
            of(row + 1, column + 1) - of(row, column + 1) - of(row + 1, column) + of(row, column)
        };
        (0..grid).flat_map(|row| (0..grid).map(move |column| cell(row, column))).collect()
    }
}

/// What is left of the change from `before` to `after` (square, of one size) in `count` random views of each pair; `None` if the
/// trigger changes nothing, or there is nothing to look at. The views are the same at each call.
///
/// # Panics
/// When the two images of a pair differ in size or are not square.
pub fn survival(pairs: &[(&Rgb8, &Rgb8)], views: Views, count: u32) -> Option<Survival> {
    let patches = views.grid * views.grid;
    let shown = visible_count(patches, views.mask_ratio);
    let mut sum = Survival::default();
    let mut looked = 0u32;
    for (image, (before, after)) in pairs.iter().enumerate() {
        let sums = Sums::of(before, after);
        let all = sums.all();
        if all <= 0.0 || patches == 0 {
            continue;
        }
        for view in 0..count {
            let (image, view) = (image as u64, u64::from(view));
            let mut rng: ChaCha8Rng = stream(0, Purpose::Augment, view, image);
            let part = CropBox::draw(sums.side, sums.side, views.min_scale, &mut rng);
            let cells = sums.cells(part, views.grid);
            let order = random_order(patches, 0, view, image);
            let visible: f64 =
                order[..shown].iter().map(|&at| cells[at as usize]).sum::<f64>() / all;
            sum.cropped += cells.iter().sum::<f64>() / all;
            sum.visible += visible;
            sum.unseen += f64::from(u8::from(visible < NOTHING));
            looked += 1;
        }
    }
    let mean = |sum: f64| sum / f64::from(looked);
    (looked > 0).then(|| Survival {
        cropped: mean(sum.cropped),
        visible: mean(sum.visible),
        unseen: mean(sum.unseen),
        views: looked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Ratio;

    const VIEWS: Views = Views { grid: 8, min_scale: 1.0, mask_ratio: 0.75 };

    /// White squares of one patch on black, at these patches of 8 x 8.
    fn squares(patches: &[usize]) -> (Rgb8, Rgb8) {
        let before = Rgb8::filled(32, 32, [0; 3]);
        let inside = |x: usize, y: usize| patches.contains(&(y / 4 * 8 + x / 4));
        let after = Rgb8::from_fn(32, 32, |x, y| if inside(x, y) { [255; 3] } else { [0; 3] });
        (before, after)
    }

    fn of((before, after): &(Rgb8, Rgb8), views: Views) -> Survival {
        survival(&[(before, after)], views, 4000).expect("a change")
    }

    #[test]
    fn a_patch_is_visible_in_a_quarter_of_the_views() {
        let seen = of(&squares(&[27]), VIEWS);
        assert!((seen.cropped - 1.0).abs() < 1e-12);
        // Four standard errors of 4,000 views: 0.027.
        assert!((seen.visible - 0.25).abs() < 0.03, "{seen:?}");
        assert!((seen.unseen - 0.75).abs() < 0.03, "{seen:?}");
    }

    #[test]
    fn of_four_patches_one_is_visible_as_the_hypergeometric_distribution_says() {
        let seen = of(&squares(&[0, 18, 45, 63]), VIEWS);
        // 48 of 64 patches are hidden: C(60, 16) / C(64, 16) = 48 * 47 * 46 * 45 / (64 * 63 * 62 * 61) = 0.3062.
        assert!((seen.unseen - 0.3062).abs() < 0.03, "{seen:?}");
        assert!((seen.visible - 0.25).abs() < 0.02, "{seen:?}");
    }

    #[test]
    fn a_pattern_over_the_image_keeps_the_area_of_its_crop() {
        let pair = (Rgb8::filled(64, 64, [0; 3]), Rgb8::filled(64, 64, [9; 3]));
        let seen = of(&pair, Views { min_scale: 0.2, ..VIEWS });
        // The mean area of a crop of at least 0.2 that fits: 0.5384 (see the tests of crops).
        assert!((seen.cropped - 0.5384).abs() < 0.015, "{seen:?}");
        assert!(
            (seen.visible - 0.25 * seen.cropped).abs() < 1e-9,
            "each patch has as much: {seen:?}"
        );
        assert!(seen.unseen < 1e-12);
    }

    #[test]
    fn without_crop_and_mask_all_is_seen() {
        let seen = of(&squares(&[5]), Views { mask_ratio: 0.0, ..VIEWS });
        assert_eq!(seen, Survival { cropped: 1.0, visible: 1.0, unseen: 0.0, views: 4000 });
        assert_eq!(seen.seen(), Ratio { hits: 4000, total: 4000 });
    }

    #[test]
    fn cells_of_a_part_count_cut_pixels_by_their_area() {
        let before = Rgb8::filled(4, 4, [0; 3]);
        let after = Rgb8::filled(4, 4, [1, 0, 0]);
        let part = CropBox { x: 1, y: 0, width: 3, height: 3 };
        let cells = Sums::of(&before, &after).cells(part, 2);
        // 3 x 3 pixels of change 1 in four cells of 1.5 x 1.5.
        assert!(cells.iter().all(|cell| (cell - 2.25).abs() < 1e-12), "{cells:?}");
    }

    #[test]
    fn no_change_has_no_share() {
        let image = Rgb8::filled(32, 32, [7; 3]);
        assert_eq!(survival(&[(&image, &image)], VIEWS, 10), None);
        assert_eq!(survival(&[], VIEWS, 10), None);
    }
}
