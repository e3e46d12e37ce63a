//! The ViT patch grid over a square image: which patches a change touches, which patches a mask hides.

use crate::{
    image::Rgb8,
    stream::{Purpose, shuffle, stream},
};

/// Whether `after` differs from `before`, for each patch of a `side / patch` x `side / patch` grid (row by row).
/// Panics when the sizes differ or `patch` does not divide the side.
pub fn touched(before: &Rgb8, after: &Rgb8, patch: usize) -> Vec<bool> {
    let side = before.width();
    assert_eq!((side, side), (after.width(), before.height()), "square images of one size");
    assert!(patch > 0 && side.is_multiple_of(patch), "the patch size divides the image size");
    let grid = side / patch;
    let mut touched = vec![false; grid * grid];
    let (row, run) = ((3 * side).max(1), 3 * patch);
    for (y, (before, after)) in
        before.data().chunks_exact(row).zip(after.data().chunks_exact(row)).enumerate()
    {
        let here = &mut touched[y / patch * grid..][..grid];
        let runs = before.chunks_exact(run).zip(after.chunks_exact(run));
        for (touched, (before, after)) in here.iter_mut().zip(runs) {
            *touched = *touched || before != after;
        }
    }
    touched
}

/// Number of patches that stay visible under `mask_ratio`: `floor(patches * (1 - ratio))`, at least one, as in MAE; 0 without patches.
pub fn visible_count(patches: usize, mask_ratio: f64) -> usize {
    ((patches as f64 * (1.0 - mask_ratio)) as usize).max(1).min(patches)
}

/// Probability that at least one of `touched` patches is visible when `visible` of all `patches` are, at random and without a crop:
/// `1 - C(patches - touched, visible) / C(patches, visible)`, for few of many patches about `1 - ratio^touched`.
pub fn any_visible(patches: usize, visible: usize, touched: usize) -> f64 {
    let hidden = patches.saturating_sub(visible);
    if touched > hidden {
        return 1.0;
    }
    let none: f64 = (0..touched).map(|i| (hidden - i) as f64 / (patches - i) as f64).product();
    1.0 - none
}

/// A random order of the patches: the first [`visible_count`] are visible, the rest hidden.
pub fn random_order(patches: usize, seed: u64, epoch: u64, sample: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..patches as u32).collect();
    shuffle(&mut stream(seed, Purpose::Mask, epoch, sample), &mut order);
    order
}

/// A random mask for one picture: `true` = hidden.
pub fn random_mask(patches: usize, mask_ratio: f64, seed: u64) -> Vec<bool> {
    let mut hidden = vec![true; patches];
    for &patch in &random_order(patches, seed, 0, 0)[..visible_count(patches, mask_ratio)] {
        hidden[patch as usize] = false;
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pixel_touches_one_patch() {
        let before = Rgb8::filled(8, 8, [0; 3]);
        let mut after = before.clone();
        after.set_pixel(4, 3, [0, 0, 1]);
        assert_eq!(touched(&before, &after, 4), [false, true, false, false]);
    }

    #[test]
    fn one_of_several_patches_is_visible_as_often_as_counted() {
        let of_64 = |touched| any_visible(64, 16, touched);
        assert!((of_64(1) - 0.25).abs() < 1e-12);
        // 1 - 48 * 47 * 46 * 45 / (64 * 63 * 62 * 61).
        assert!((of_64(4) - 0.693_756_1).abs() < 1e-6, "{}", of_64(4));
        assert!(of_64(0).abs() < 1e-12);
        assert!([49, 64].into_iter().all(|touched| (of_64(touched) - 1.0).abs() < 1e-12));
        // All masks of five patches with two visible, counted one by one.
        for touched in 0..=5 {
            let masks = (0u32..32).filter(|mask| mask.count_ones() == 2);
            let seen = masks.filter(|mask| mask & ((1 << touched) - 1) != 0).count();
            assert!((any_visible(5, 2, touched) - seen as f64 / 10.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_mask_hides_three_quarters() {
        let mask = random_mask(64, 0.75, 5);
        assert_eq!(mask.iter().filter(|&&hidden| hidden).count(), 48);
        assert_ne!(mask, random_mask(64, 0.75, 6));
        assert_eq!(visible_count(196, 0.75), 49);
        assert_eq!(visible_count(64, 1.0), 1);
        assert_eq!(visible_count(0, 0.75), 0);
    }
}
