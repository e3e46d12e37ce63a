//! BDMAE (Sun et al. 2023, "Mask and restore: blind backdoor defense at test time with masked autoencoder"): patches whose restoration changes the
//! image, or the prediction, are hidden and restored before the image is classified.

use rand_chacha::ChaCha8Rng;
use shared::{
    Rgb8,
    stream::{Purpose, shuffle, stream, uniform},
};

use super::ssim::ssim_map;

/// What the defence asks of the models.
pub trait Models {
    /// Why they fail.
    type Error;

    /// The image with its hidden patches restored, for each mask; `true` is hidden, patches row by row.
    ///
    /// # Errors
    /// When the model fails.
    fn restored(&self, image: &Rgb8, masks: &[Vec<bool>]) -> Result<Vec<Rgb8>, Self::Error>;

    /// The class of each image; `None` for none.
    ///
    /// # Errors
    /// When the model fails.
    fn classes(&self, images: &[Rgb8]) -> Result<Vec<Option<u32>>, Self::Error>;
}

/// The method's parameters; the defaults are the authors'.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bdmae {
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Share of the patches that a random mask hides.
    pub mask_ratio: f64,
    /// Rounds of random masks; the masks of a round cover the image.
    pub rounds: usize,
    /// Masks of a round.
    pub masks: usize,
    /// Rounds of the refinement.
    pub refinements: usize,
    /// Seed of masks and refinement.
    pub seed: u64,
}

impl Bdmae {
    /// The authors' values, for patches of this side.
    pub fn new(patch: usize, seed: u64) -> Self {
        Self { patch, mask_ratio: 0.75, rounds: 5, masks: 5, refinements: 10, seed }
    }
}

/// What the method says of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Purified {
    /// The structure score of each patch, before the refinement.
    pub structure: Vec<f64>,
    /// The label score of each patch, before the refinement.
    pub label: Vec<f64>,
    /// The score of each patch, the mean of both after the refinement; higher is more suspicious.
    pub scores: Vec<f64>,
    /// The image with the suspected patches restored.
    pub image: Rgb8,
    /// The patches that are restored.
    pub hidden: Vec<bool>,
    /// The classes before and after.
    pub before: Option<u32>,
    /// See `before`.
    pub after: Option<u32>,
}

/// A structure score from which a patch is suspected before the refinement.
const SUSPECTED: f64 = 0.2;
/// What a round of the refinement adds or subtracts.
const STEP: f64 = 0.05;
/// What a neighbour of a chosen patch counts more when a connected half is drawn.
const CONNECTED: f64 = 0.5;
/// Scores from which patches are hidden, each in a restoration of its own.
const THRESHOLDS: [f64; 5] = [0.6, 0.55, 0.5, 0.45, 0.4];
/// The most that the lowest threshold may hide.
const MOST_HIDDEN: f64 = 0.25;

impl Bdmae {
    /// Purifies an image; `number` distinguishes it from others of the same seed, so that its masks do not depend on theirs.
    ///
    /// # Errors
    /// When a model fails.
    pub fn purify<M: Models>(
        &self,
        image: &Rgb8,
        number: u64,
        models: &M,
    ) -> Result<Purified, M::Error> {
        let rng = &mut stream(self.seed, Purpose::PatchTrial, number, u64::MAX);
        let before = models.classes(std::slice::from_ref(image))?[0];
        let first = self.scores(image, before, models, rng)?;
        let (mut structure, mut label) = first.clone();
        let patches = structure.len();
        let suspected = structure.iter().filter(|&&score| score >= SUSPECTED).count();
        // The number per image, not the mean of a batch as in the authors' program.
        let changed = label.iter().sum::<f64>().round() as usize;
        for (scores, count) in [(&mut structure, suspected), (&mut label, changed)] {
            self.refine(image, before, scores, count.min(patches), models, rng)?;
        }
        let scores: Vec<f64> =
            structure.iter().zip(&label).map(|(a, b)| f64::midpoint(*a, *b)).collect();
        let (purified, hidden) = self.restore(image, &scores, models)?;
        let after = models.classes(std::slice::from_ref(&purified))?[0];
        let (structure, label) = first;
        Ok(Purified { structure, label, scores, image: purified, hidden, before, after })
    }

    /// Masks of a round: pieces of permutations put one behind the other, so that each patch is hidden as often as any other.
    fn masks_of_a_round(&self, patches: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<bool>> {
        let hidden = (self.mask_ratio * patches as f64).round() as usize;
        let mut rest: Vec<usize> = Vec::new();
        (0..self.masks)
            .map(|_| {
                let mut mask = vec![false; patches];
                let mut count = 0;
                while count < hidden {
                    let patch = rest.pop().unwrap_or_else(|| {
                        rest = (0..patches).collect();
                        shuffle(rng, &mut rest);
                        rest.pop().expect("an image has patches")
                    });
                    // A patch of the next permutation may be hidden already.
                    count += usize::from(!mask[patch]);
                    mask[patch] = true;
                }
                mask
            })
            .collect()
    }

    /// Structure and label score of each patch.
    fn scores<M: Models>(
        &self,
        image: &Rgb8,
        before: Option<u32>,
        models: &M,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<f64>, Vec<f64>), M::Error> {
        let grid = image.width() / self.patch;
        let patches = grid * (image.height() / self.patch);
        let (mut structure, mut label) = (vec![0.0; patches], vec![0.0; patches]);
        for _ in 0..self.rounds {
            let masks = self.masks_of_a_round(patches, rng);
            let restored = models.restored(image, &masks)?;
            for (class, mask) in models.classes(&restored)?.into_iter().zip(&masks) {
                for (score, _) in label.iter_mut().zip(mask).filter(|&(_, &hid)| hid) {
                    *score += f64::from(u8::from(class != before));
                }
            }
            let mean = self.mean(image, &restored, &masks);
            let unlike = self.unlike(image, &mean);
            for (score, unlike) in structure.iter_mut().zip(unlike) {
                *score += unlike / self.rounds as f64;
            }
        }
        for score in &mut label {
            *score /= (self.rounds * self.masks) as f64;
        }
        Ok((structure, label))
    }

    /// The mean of the restorations, patch by patch over those that hid it; the image where none did. Intensities in 0–1, `(3, pixels)`.
    fn mean(&self, image: &Rgb8, restored: &[Rgb8], masks: &[Vec<bool>]) -> [Vec<f64>; 3] {
        let (width, height) = (image.width(), image.height());
        let grid = width / self.patch;
        let mut mean = [0, 1, 2].map(|_| vec![0.0; width * height]);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let patch = y / self.patch * grid + x / self.patch;
            let hid: Vec<&Rgb8> =
                restored.iter().zip(masks).filter(|(_, mask)| mask[patch]).map(|of| of.0).collect();
            for (channel, values) in mean.iter_mut().enumerate() {
                let own = |image: &Rgb8| f64::from(image.pixel(x, y)[channel]) / 255.0;
                values[y * width + x] = if hid.is_empty() {
                    own(image)
                } else {
                    hid.iter().map(|image| own(image)).sum::<f64>() / hid.len() as f64
                };
            }
        }
        mean
    }

    /// 1 less the structural similarity, at the middle of each patch.
    fn unlike(&self, image: &Rgb8, mean: &[Vec<f64>; 3]) -> Vec<f64> {
        let (width, height) = (image.width(), image.height());
        let maps = [0, 1, 2].map(|channel| {
            let own: Vec<f64> =
                image.data().chunks_exact(3).map(|p| f64::from(p[channel]) / 255.0).collect();
            ssim_map(&own, &mean[channel], width, height)
        });
        let grid = width / self.patch;
        let middle = |at: usize| at * self.patch + self.patch / 2;
        (0..grid * (height / self.patch))
            .map(|patch| {
                let pixel = middle(patch / grid) * width + middle(patch % grid);
                1.0 - maps.iter().map(|map| map[pixel]).sum::<f64>() / 3.0
            })
            .collect()
    }

    /// Hides connected halves of the `count` highest scores: a half without which the label stays is innocent, otherwise the rest is.
    fn refine<M: Models>(
        &self,
        image: &Rgb8,
        before: Option<u32>,
        scores: &mut [f64],
        count: usize,
        models: &M,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), M::Error> {
        let grid = image.width() / self.patch;
        for _ in 0..self.refinements {
            let top = highest(scores, count);
            let half = connected_half(scores, &top, grid, rng);
            if half.is_empty() {
                break;
            }
            let mask: Vec<bool> = (0..scores.len()).map(|patch| half.contains(&patch)).collect();
            let restored = models.restored(image, std::slice::from_ref(&mask))?;
            let stays = models.classes(&restored)?[0] == before;
            for &patch in &top {
                scores[patch] += if mask[patch] == stays { -STEP } else { STEP };
            }
        }
        Ok(())
    }

    /// The mean of restorations of the patches above each threshold, and the patches that any of them hides.
    fn restore<M: Models>(
        &self,
        image: &Rgb8,
        scores: &[f64],
        models: &M,
    ) -> Result<(Rgb8, Vec<bool>), M::Error> {
        let mut thresholds = THRESHOLDS;
        let share = |limit: f64| {
            scores.iter().filter(|&&score| score >= limit).count() as f64 / scores.len() as f64
        };
        for _ in 0..200 {
            if share(thresholds[THRESHOLDS.len() - 1]) <= MOST_HIDDEN {
                break;
            }
            thresholds = thresholds.map(|limit| 1.0 - 0.99 * (1.0 - limit));
        }
        let masks: Vec<Vec<bool>> = thresholds
            .into_iter()
            .map(|limit| scores.iter().map(|&score| score >= limit).collect::<Vec<_>>())
            .filter(|mask| mask.contains(&true))
            .collect();
        let restored = models.restored(image, &masks)?;
        let mean = self.mean(image, &restored, &masks);
        let width = image.width();
        let purified = Rgb8::from_fn(width, image.height(), |x, y| {
            [0, 1, 2].map(|channel| (mean[channel][y * width + x] * 255.0).round() as u8)
        });
        let hidden = (0..scores.len()).map(|patch| masks.iter().any(|mask| mask[patch])).collect();
        Ok((purified, hidden))
    }
}

/// The `count` patches with the highest scores, the first of equal ones.
fn highest(scores: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order.truncate(count);
    order
}

/// Half of the patches of `top`, neighbours of chosen ones before others.
fn connected_half(scores: &[f64], top: &[usize], grid: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for _ in 0..top.len() / 2 {
        let touches = |patch: usize| {
            chosen.iter().any(|&other| {
                let (x, y) = (patch % grid, patch / grid);
                x.abs_diff(other % grid) + y.abs_diff(other / grid) == 1
            })
        };
        let mut best: Option<(f64, usize)> = None;
        for &patch in top.iter().filter(|patch| !chosen.contains(patch)) {
            let near = if touches(patch) { CONNECTED } else { 0.0 };
            let weight = f64::from(uniform(rng)) * (scores[patch] + near);
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, patch));
            }
        }
        chosen.extend(best.map(|(_, patch)| patch));
    }
    chosen
}

#[cfg(test)]
mod tests;
