//! Patch processing (Doan et al. 2023, "Defending backdoor attacks on vision transformer via patch processing"): leaving patches out takes
//! a local trigger away, so the prediction changes; shuffling them destroys the object and leaves a trigger that covers the whole image,
//! so the prediction stays.

use shared::{
    Rgb8,
    patches::visible_count,
    stream::{Purpose, shuffle, stream},
};

use super::DefenceError;

/// How often an image's prediction changed, as shares of the trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changes {
    /// When patches were left out: high under a local trigger.
    pub dropped: f64,
    /// When patches were shuffled: low under a trigger that covers the image.
    pub shuffled: f64,
}

/// The order of an image's patches in a trial, `(patches)`.
pub fn order(patches: usize, seed: u64, trial: usize, image: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..patches as u32).collect();
    shuffle(&mut stream(seed, Purpose::PatchTrial, trial as u64, image as u64), &mut order);
    order
}

/// The patches that stay when a share `drop` is left out: the first ones of the order, by their places in the image.
pub fn kept(order: &[u32], drop: f64) -> Vec<u32> {
    let mut kept = order[..visible_count(order.len(), drop)].to_vec();
    kept.sort_unstable();
    kept
}

/// The image with the content of patch `order[i]` at the place of patch `i`; patches have `patch` pixels a side. Panics when `order` does
/// not fit.
pub fn shuffled(image: &Rgb8, patch: usize, order: &[u32]) -> Rgb8 {
    let side = image.width() / patch;
    assert_eq!(order.len(), side * (image.height() / patch), "one entry for each patch");
    Rgb8::from_fn(image.width(), image.height(), |x, y| {
        let from = order[y / patch * side + x / patch] as usize;
        image.pixel(from % side * patch + x % patch, from / side * patch + y % patch)
    })
}

/// The share of `trials` whose prediction is not `plain`.
pub fn changed(plain: Option<u32>, trials: &[Option<u32>]) -> f64 {
    trials.iter().filter(|&&trial| trial != plain).count() as f64 / trials.len().max(1) as f64
}

/// What clean images give: the limits of the decision, and ranks for one score.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Sorted from low to high.
    dropped: Vec<f64>,
    shuffled: Vec<f64>,
    most_dropped: f64,
    least_shuffled: f64,
}

impl Limits {
    /// The limits at which each of the two tests suspects at most half of the share `fpr` of these clean images.
    ///
    /// # Errors
    /// Without a clean image.
    pub fn of(clean: &[Changes], fpr: f64) -> Result<Self, DefenceError> {
        let sorted = |of: fn(&Changes) -> f64| {
            let mut values: Vec<f64> = clean.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (dropped, shuffled) = (sorted(|c| c.dropped), sorted(|c| c.shuffled));
        let Some(last) = clean.len().checked_sub(1) else {
            let method = "patch processing";
            return Err(DefenceError::TooFew { method, of: "clean images", wanted: 1, got: 0 });
        };
        let beyond = ((0.5 * fpr * clean.len() as f64).floor() as usize).min(last);
        let (most_dropped, least_shuffled) = (dropped[last - beyond], shuffled[beyond]);
        Ok(Self { dropped, shuffled, most_dropped, least_shuffled })
    }

    /// Whether an image is suspected of a local trigger, or of one that covers it.
    pub fn suspects(&self, changes: Changes) -> bool {
        changes.dropped > self.most_dropped || changes.shuffled < self.least_shuffled
    }

    /// One score: the larger share of clean images that are less suspicious by one of the two tests, equal ones counting half.
    pub fn score(&self, changes: Changes) -> f64 {
        let by_drops = rank(&self.dropped, changes.dropped);
        by_drops.max(1.0 - rank(&self.shuffled, changes.shuffled))
    }
}

/// The share of `sorted` below `value`, equal ones counting half.
fn rank(sorted: &[f64], value: f64) -> f64 {
    let below = sorted.partition_point(|&other| other < value);
    let within = sorted.partition_point(|&other| other <= value);
    (below + within) as f64 / (2 * sorted.len()) as f64
}

#[cfg(test)]
mod tests {
    use shared::stream::uniform;

    use super::*;
    use crate::defence::testing::assert_at_chance;

    #[test]
    fn a_shuffled_image_by_hand() {
        let image = Rgb8::from_fn(4, 4, |x, y| [x as u8, y as u8, 0]);
        let turned = shuffled(&image, 2, &[1, 0, 3, 2]);
        assert_eq!(turned.pixel(0, 0), [2, 0, 0]);
        assert_eq!(turned.pixel(3, 3), [1, 3, 0]);
        assert_eq!(shuffled(&image, 2, &[0, 1, 2, 3]), image);
    }

    #[test]
    fn a_classifier_of_one_patch_changes_as_often_as_it_is_dropped() {
        // It says 1 as long as patch 5 is there.
        let says = |kept: &[u32]| Some(u32::from(kept.contains(&5)));
        let (trials, patches, drop) = (4_000, 16, 0.75);
        let predictions: Vec<_> =
            (0..trials).map(|trial| says(&kept(&order(patches, 1, trial, 0), drop))).collect();
        // The standard error is 0.007.
        assert!((changed(Some(1), &predictions) - drop).abs() < 0.03);
        assert_eq!(kept(&order(patches, 1, 0, 0), 0.0), (0..16).collect::<Vec<_>>());
    }

    #[test]
    fn limits_by_hand() {
        let clean: Vec<Changes> =
            (0..10).map(|i| Changes { dropped: f64::from(i), shuffled: f64::from(i) }).collect();
        let limits = Limits::of(&clean, 0.2).unwrap();
        let suspected = clean.iter().filter(|&&changes| limits.suspects(changes)).count();
        assert_eq!(suspected, 2, "one by each test");
        assert!(!limits.suspects(Changes { dropped: 8.0, shuffled: 1.0 }));
        assert!((limits.score(Changes { dropped: 8.0, shuffled: 5.0 }) - 0.85).abs() < 1e-12);
        assert!((limits.score(Changes { dropped: 0.0, shuffled: -1.0 }) - 1.0).abs() < 1e-12);
        assert!(Limits::of(&[], 0.1).is_err());
    }

    /// The class of an image of 4 x 4 patches of 2 pixels: where the brightest of those patches is that are seen. Upper ones are class 0.
    fn says(image: &Rgb8, kept: &[u32]) -> Option<u32> {
        let value = |patch: u32| {
            let (x, y) = (patch as usize % 4 * 2, patch as usize / 4 * 2);
            (0..4).map(|at| u32::from(image.pixel(x + at % 2, y + at / 2)[0])).sum::<u32>()
        };
        kept.iter().max_by_key(|&&patch| value(patch)).map(|&patch| patch / 8)
    }

    #[test]
    fn among_clean_images_any_list_is_at_chance() {
        let changes = |number: usize| {
            let mut rng = stream(6, Purpose::Draw, 0, number as u64);
            let image = Rgb8::from_fn(8, 8, |_, _| [(255.0 * uniform(&mut rng)) as u8; 3]);
            let all: Vec<u32> = (0..16).collect();
            let plain = says(&image, &all);
            let (dropped, shuffled): (Vec<_>, Vec<_>) = (0..20)
                .map(|trial| {
                    let by_drop = kept(&order(16, 1, trial, number), 0.5);
                    let turned = shuffled(&image, 2, &order(16, 1, 20 + trial, number));
                    (says(&image, &by_drop), says(&turned, &all))
                })
                .unzip();
            Changes { dropped: changed(plain, &dropped), shuffled: changed(plain, &shuffled) }
        };
        let limits = Limits::of(&(0..100).map(changes).collect::<Vec<_>>(), 0.1).unwrap();
        let judged: Vec<Changes> = (100..500).map(changes).collect();
        let scores: Vec<f64> = judged.iter().map(|&changes| limits.score(changes)).collect();
        assert_at_chance(&scores);
        let flagged = judged.iter().filter(|&&changes| limits.suspects(changes)).count();
        assert!(flagged <= 80, "a tenth, or less, is 40: {flagged}");
    }
}
