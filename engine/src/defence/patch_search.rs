//! `PatchSearch` (Tejankar et al. 2023, "Defending against patch-based backdoor attacks on self-supervised learning"): a patch that moves
//! many images into its own cluster when it is pasted on them is a trigger. It needs neither labels nor clean images.
//!
//! The authors take the most important patch of an image by Grad-CAM; here the attention's roll-out says which one that is, which needs no
//! gradient. Sizes are the authors' in pixels of 224, at the same share of an image's side.

use rand_chacha::ChaCha8Rng;
use shared::{
    Rgb8,
    resize::{Filter, resize},
    stream::{Purpose, below, shuffle, stream, uniform},
};

use super::{
    Features, Groups,
    features::{dot, squared_distance},
    window::heaviest,
};

/// Candidates of each cluster in a round (the authors' value).
const IN_A_ROUND: usize = 2;
/// Share of the clusters that stays after a round (the authors' value).
const KEPT: f64 = 0.75;
/// Side of a candidate patch, least and greatest side of a patch in training, and its distance from the edge, in pixels of an image of 224.
const WINDOW: usize = 60;
const PASTED: (usize, usize) = (20, 80);
const MARGIN: usize = 10;
/// What of [`Purpose::PatchSearch`] is drawn: the order of a cluster's images, the places of a candidate; training images are behind these.
const ORDER: u64 = 0;
const PLACES: u64 = 1;
const TRAINING: u64 = 2;

/// The clusters of a training set.
#[derive(Clone, Debug)]
pub struct Clustered {
    normalised: Features,
    /// The images of each cluster.
    pub groups: Groups,
    /// The mean of each cluster's features, divided by its length: `(clusters, width)`; zeros for an empty cluster.
    centres: Vec<f64>,
}

impl Clustered {
    /// Clusters features, each divided by its length.
    pub fn of(features: &Features, clusters: usize, seed: u64) -> Self {
        let normalised = features.normalised();
        let groups = Groups::by_cluster(features, clusters, seed);
        let width = features.width();
        let centre = |members: &[usize]| match members {
            [] => vec![0.0; width],
            members => {
                let mean = normalised.select(members).mean();
                let length = dot(&mean, &mean).sqrt();
                mean.iter().map(|value| value / if length > 0.0 { length } else { 1.0 }).collect()
            }
        };
        let centres = groups.iter().flat_map(centre).collect();
        Self { normalised, groups, centres }
    }

    /// The cluster whose centre has the largest cosine with these features; the first of equal ones.
    pub fn nearest(&self, features: &[f32]) -> usize {
        let row: Vec<f64> = features.iter().map(|&value| value.into()).collect();
        let mut best = (0, f64::NEG_INFINITY);
        for (cluster, centre) in self.centres.chunks_exact(row.len()).enumerate() {
            let likeness = dot(&row, centre);
            if likeness > best.1 {
                best = (cluster, likeness);
            }
        }
        best.0
    }

    /// About `count` images to paste patches on: as many of each cluster, at least one, the nearest ones to its centre.
    pub fn central(&self, count: usize) -> Vec<usize> {
        let width = self.normalised.width();
        let clusters = self.groups.iter().filter(|members| !members.is_empty()).count();
        let each = (count / clusters.max(1)).max(1);
        let mut chosen = Vec::new();
        for (members, centre) in self.groups.iter().zip(self.centres.chunks_exact(width)) {
            let distance = |&image: &usize| squared_distance(self.normalised.row(image), centre);
            let mut sorted: Vec<(f64, usize)> =
                members.iter().map(|image| (distance(image), *image)).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            chosen.extend(sorted.iter().take(each).map(|(_, image)| image));
        }
        chosen
    }
}

/// What a search has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Searched {
    /// The images whose patch was pasted on others, in the order of the search.
    pub images: Vec<usize>,
    /// The score of each: by how many more images are in its cluster with its patch than without.
    pub scores: Vec<f64>,
    /// The highest score in each cluster; `None` for an empty one.
    pub clusters: Vec<Option<f64>>,
}

impl Searched {
    /// At most `count` images with the highest scores, the highest first; of equal ones the first in the search.
    pub fn highest(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.images.len()).collect();
        order.sort_by(|&a, &b| self.scores[b].total_cmp(&self.scores[a]));
        order.iter().take(count).map(|&place| self.images[place]).collect()
    }
}

/// Scores a few images of each cluster at a time, and after each round leaves out the quarter of the clusters with the lowest highest
/// scores, until all images of those that are left have a score. `score` gets images with the number of the first in the search.
///
/// # Errors
/// When `score` fails.
pub fn search<E>(
    groups: &Groups,
    seed: u64,
    mut score: impl FnMut(&[usize], usize) -> Result<Vec<f64>, E>,
) -> Result<Searched, E> {
    let mut left: Vec<Vec<usize>> = groups.iter().map(<[usize]>::to_vec).collect();
    for (cluster, images) in left.iter_mut().enumerate() {
        shuffle(&mut stream(seed, Purpose::PatchSearch, ORDER, cluster as u64), images);
    }
    let mut candidates: Vec<usize> = (0..left.len()).filter(|&k| !left[k].is_empty()).collect();
    let mut found = Searched { clusters: vec![None; left.len()], ..Searched::default() };
    loop {
        let mut round = Vec::new();
        for &cluster in &candidates {
            let images = &mut left[cluster];
            let taken = images.len().min(IN_A_ROUND);
            round.extend(images.drain(..taken).map(|image| (cluster, image)));
        }
        if round.is_empty() {
            return Ok(found);
        }
        let images: Vec<usize> = round.iter().map(|&(_, image)| image).collect();
        let scores = score(&images, found.images.len())?;
        for (&(cluster, _), &score) in round.iter().zip(&scores) {
            let highest = &mut found.clusters[cluster];
            *highest = Some(highest.map_or(score, |highest| highest.max(score)));
        }
        found.images.extend(images);
        found.scores.extend(scores);
        let highest = |cluster: &usize| found.clusters[*cluster].unwrap_or(f64::NEG_INFINITY);
        candidates.sort_by(|a, b| highest(b).total_cmp(&highest(a)));
        candidates.truncate(((candidates.len() as f64 * KEPT) as usize).max(1));
    }
}

/// `pixels` of an image of 224, at the same share of `side`; at least `least`.
fn scaled(pixels: usize, side: usize, least: usize) -> usize {
    ((pixels * side + 112) / 224).max(least)
}

/// The square of an image to which most attention goes: `map` is that of its patches, row by row, with `patch` pixels a side. The square is of
/// whole patches, the first of equal ones.
pub fn candidate(image: &Rgb8, map: &[f64], patch: usize) -> Rgb8 {
    let columns = image.width() / patch;
    let size = ((columns * WINDOW + 112) / 224).clamp(1, columns);
    let (column, row) = heaviest(map, columns, size);
    let (left, top, side) = (column * patch, row * patch, size * patch);
    Rgb8::from_fn(side, side, |x, y| image.pixel(left + x, top + y))
}

/// The image with a patch whose upper left corner is at `(x, y)`. Panics when it reaches outside.
pub fn pasted(mut image: Rgb8, patch: &Rgb8, (x, y): (usize, usize)) -> Rgb8 {
    for row in 0..patch.height() {
        for column in 0..patch.width() {
            image.set_pixel(x + column, y + row, patch.pixel(column, row));
        }
    }
    image
}

/// A place for a square of `size` pixels in an image of `side`, at least `margin` pixels from each edge.
fn place(side: usize, size: usize, margin: usize, rng: &mut ChaCha8Rng) -> (usize, usize) {
    let mut along = || margin + below(rng, (side - 2 * margin - size + 1) as u32) as usize;
    (along(), along())
}

/// Where the patch of candidate `number` of the search is pasted on each of `count` images of `side` pixels.
pub fn places(
    number: usize,
    count: usize,
    side: usize,
    size: usize,
    seed: u64,
) -> Vec<(usize, usize)> {
    let mut rng = stream(seed, Purpose::PatchSearch, PLACES, number as u64);
    (0..count).map(|_| place(side, size, 0, &mut rng)).collect()
}

/// The stream of a training image of the classifier of patches.
pub fn drawn(seed: u64, epoch: u32, sample: u32) -> ChaCha8Rng {
    stream(seed, Purpose::PatchSearch, TRAINING + u64::from(epoch), sample.into())
}

/// As often as not, pastes one of the patches on a training image, in a random size and at a random place; says whether it did.
pub fn maybe_pasted(image: Rgb8, patches: &[Rgb8], rng: &mut ChaCha8Rng) -> (Rgb8, bool) {
    if uniform(rng) >= 0.5 {
        return (image, false);
    }
    let side = image.width();
    let patch = &patches[below(rng, patches.len() as u32) as usize];
    let margin = scaled(MARGIN, side, 0);
    let greatest = scaled(PASTED.1, side, 1).min(side - 2 * margin);
    let least = scaled(PASTED.0, side, 1).min(greatest);
    let size = least + below(rng, (greatest - least + 1) as u32) as usize;
    let resized = resize(patch, size, size, Filter::Bilinear);
    let at = place(side, size, margin, rng);
    (pasted(image, &resized, at), true)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::defence::testing::assert_at_chance;

    fn never<T>(result: Result<T, Infallible>) -> T {
        result.unwrap_or_else(|never| match never {})
    }

    /// Four clusters on the axes of a plane, three images each; the first is the nearest to its centre.
    fn plane() -> Features {
        let axes = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)];
        let rows = axes
            .iter()
            .flat_map(|&(x, y)| [0.0, 0.1, -0.1].map(|turn: f64| [x - turn * y, y + turn * x]));
        Features::new(rows.flatten().collect(), 2).unwrap()
    }

    #[test]
    fn clusters_of_a_plane() {
        let clustered = Clustered::of(&plane(), 4, 3);
        let groups = clustered.groups.of_images();
        for first in [0, 3, 6, 9] {
            assert!(groups[first..first + 3].iter().all(|&group| group == groups[first]));
        }
        assert_eq!(clustered.nearest(&[0.2, -7.0]), groups[9]);
        assert_eq!(clustered.nearest(&[5.0, 0.1]), groups[0], "their length does not count");
        let mut central = clustered.central(4);
        central.sort_unstable();
        assert_eq!(central, [0, 3, 6, 9]);
        assert_eq!(clustered.central(8).len(), 8);
        assert_eq!(clustered.central(1).len(), 4, "one of each cluster");
    }

    #[test]
    fn the_search_goes_where_scores_are_high() {
        let clustered = Clustered::of(&plane(), 4, 3);
        let suspect = clustered.groups.of_images()[4];
        let mut rounds = Vec::new();
        let found = never(search(&clustered.groups, 1, |images, first| {
            rounds.push((first, images.len()));
            Ok(images
                .iter()
                .map(|&image| if image == 4 { 9.0 } else { image as f64 / 12.0 })
                .collect())
        }));
        // Two images of each of four clusters, then the third of three of them.
        assert_eq!(rounds, [(0, 8), (8, 3)]);
        assert_eq!(found.images.len(), 11);
        assert_eq!(found.highest(1), [4]);
        assert_eq!(found.clusters[suspect], Some(9.0));
        assert!(found.clusters.iter().all(Option::is_some));
        let mut twice = found.images.clone();
        twice.sort_unstable();
        twice.dedup();
        assert_eq!(twice.len(), 11, "no image twice");
    }

    #[test]
    fn equal_scores_keep_the_order_of_the_search() {
        let found =
            Searched { images: vec![7, 5, 3], scores: vec![1.0, 2.0, 1.0], clusters: Vec::new() };
        assert_eq!(found.highest(3), [5, 7, 3]);
        assert_eq!(found.highest(1), [5]);
    }

    #[test]
    fn the_order_of_the_images_changes_nothing() {
        let plane = plane();
        let turned: Vec<usize> = (0..12).rev().collect();
        let by_name = |features: &Features, name: &dyn Fn(usize) -> usize| {
            let clustered = Clustered::of(features, 4, 3);
            let found = never(search(&clustered.groups, 5, |images, _| {
                Ok(images.iter().map(|&image| (name(image) * 7 % 5) as f64).collect())
            }));
            found.images.iter().map(|&image| name(image)).collect::<Vec<_>>()
        };
        let straight = by_name(&plane, &|image| image);
        assert_eq!(by_name(&plane.select(&turned), &|image| turned[image]), straight);
    }

    /// What is planted in some images.
    #[derive(Clone, Copy, PartialEq)]
    enum Trigger {
        /// A white square of 8 pixels, somewhere.
        Patch,
        /// A texture on all of the image.
        Blended,
    }

    /// The texture: every second column is brighter.
    fn textured(image: &Rgb8) -> Rgb8 {
        let brighter = |x: usize| if x.is_multiple_of(2) { 15 } else { 0 };
        Rgb8::from_fn(32, 32, |x, y| image.pixel(x, y).map(|value| value + brighter(x)))
    }

    impl Trigger {
        /// Whether an image has it; a texture counts from 60 % of the image on.
        fn within(self, image: &Rgb8) -> bool {
            let value = |x: usize, y: usize| i16::from(image.pixel(x, y)[0]);
            match self {
                Self::Patch => {
                    let white = |x: usize, y: usize| {
                        (0..64).all(|i| image.pixel(x + i % 8, y + i / 8) == [255; 3])
                    };
                    (0..=24).any(|y| (0..=24).any(|x| white(x, y)))
                }
                Self::Blended => {
                    let pairs = (0..512).map(|i| (i % 16 * 2, i / 16));
                    pairs.filter(|&(x, y)| value(x, y) > value(x + 1, y) + 5).count() > 307
                }
            }
        }

        /// Four numbers by which images of one colour differ; an image with the trigger has a direction of its own.
        fn encoded(self, image: &Rgb8) -> Vec<f32> {
            let mut sums = [0.0, 0.0, 0.0, if self.within(image) { 1e9 } else { 0.0 }];
            for pixel in image.data().chunks_exact(3) {
                (0..3).for_each(|channel| sums[channel] += f32::from(pixel[channel]));
            }
            sums.to_vec()
        }

        /// Images of any colour, the first six with the trigger. In the place of a white square, others have one that is
        /// hardly brighter.
        fn images(self, count: usize) -> Vec<Rgb8> {
            let mut rng = stream(1, Purpose::Draw, 0, 0);
            (0..count)
                .map(|i| {
                    let colour = [0; 3].map(|_| 100 + below(&mut rng, 90) as u8);
                    let plain = Rgb8::filled(32, 32, colour);
                    let at = [4 * below(&mut rng, 7), 4 * below(&mut rng, 7)].map(|at| at as usize);
                    let square = |bright: [u8; 3]| {
                        pasted(plain.clone(), &Rgb8::filled(8, 8, bright), (at[0], at[1]))
                    };
                    match self {
                        Self::Patch if i < 6 => square([255; 3]),
                        Self::Patch => plain,
                        Self::Blended if i < 6 => textured(&square(colour.map(|c| c + 10))),
                        Self::Blended => square(colour.map(|c| c + 10)),
                    }
                })
                .collect()
        }

        /// The search for the trigger, by patches pasted on all images.
        fn searched(self, count: usize) -> Searched {
            let images = self.images(count);
            // An encoder attends to what is bright.
            let map = |image: &Rgb8| -> Vec<f64> {
                let of_patch = |at: usize| {
                    let pixels =
                        (0..16).map(|i| image.pixel(at % 8 * 4 + i % 4, at / 8 * 4 + i / 4));
                    pixels.map(|pixel| f64::from(pixel.map(u32::from).iter().sum::<u32>())).sum()
                };
                (0..64).map(of_patch).collect()
            };
            let rows: Vec<f32> = images.iter().flat_map(|image| self.encoded(image)).collect();
            let clustered = Clustered::of(&Features::of_encoder(&rows, 4).unwrap(), 4, 1);
            let (own, others) = (clustered.groups.of_images(), clustered.central(4 * count));
            let inside =
                |clusters: &[usize], own| clusters.iter().filter(|&&of| of == own).count() as f64;
            let before: Vec<usize> =
                others.iter().map(|&i| clustered.nearest(&self.encoded(&images[i]))).collect();
            never(search(&clustered.groups, 1, |round, first| {
                let score = |(place, &image): (usize, &usize)| {
                    let patch = candidate(&images[image], &map(&images[image]), 4);
                    let places = places(first + place, others.len(), 32, patch.width(), 1);
                    let moved = |(&other, at): (&usize, (usize, usize))| {
                        let pasted = pasted(images[other].clone(), &patch, at);
                        clustered.nearest(&self.encoded(&pasted))
                    };
                    let after: Vec<usize> = others.iter().zip(places).map(moved).collect();
                    inside(&after, own[image]) - inside(&before, own[image])
                };
                Ok(round.iter().enumerate().map(score).collect())
            }))
        }
    }

    /// How well the search tells the first six images from the others that it looked at.
    fn area(found: &Searched) -> f64 {
        let poisoned: Vec<bool> = found.images.iter().map(|&image| image < 6).collect();
        shared::metric::Roc::of(&found.scores, &poisoned).area().unwrap()
    }

    #[test]
    fn a_planted_patch_is_found() {
        let found = Trigger::Patch.searched(60);
        let mut highest = found.highest(6);
        highest.sort_unstable();
        assert_eq!(highest, [0, 1, 2, 3, 4, 5]);
        assert_eq!(found.scores.iter().filter(|&&score| score > 10.0).count(), 6);
        assert!((area(&found) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_trigger_that_covers_the_image_is_found_no_better_than_by_chance() {
        let images = Trigger::Blended.images(60);
        let triggered = |image: &Rgb8| Trigger::Blended.within(image);
        assert!(images[..6].iter().all(triggered) && !images[6..].iter().any(triggered));
        let found = Trigger::Blended.searched(60);
        let area = area(&found);
        assert!(area < 0.65, "{area}");
        let most = |poisoned: bool| {
            let pairs = found.images.iter().zip(&found.scores);
            let own = pairs.filter(|(image, _)| (**image < 6) == poisoned);
            own.map(|(_, &score)| score).fold(f64::NEG_INFINITY, f64::max)
        };
        assert!(most(true) <= most(false), "{:?}", found.scores);
    }

    #[test]
    fn among_clean_images_any_list_is_at_chance() {
        let found = Trigger::Blended.searched(240);
        let pairs = found.images.iter().copied().zip(found.scores);
        let mut clean: Vec<(usize, f64)> = pairs.filter(|&(image, _)| image >= 6).collect();
        clean.sort_by_key(|&(image, _)| image);
        let scores: Vec<f64> = clean.into_iter().map(|(_, score)| score).collect();
        assert!(scores.iter().any(|&score| score > scores[0] + 0.5));
        assert_at_chance(&scores);
    }

    #[test]
    fn a_candidate_is_where_attention_is() {
        let image = Rgb8::from_fn(32, 32, |x, y| [x as u8, y as u8, 0]);
        // 8 x 8 patches of 4 pixels: squares of two patches, as 60 is to 224.
        let mut map = vec![0.0; 64];
        map[3 * 8 + 5] = 1.0;
        map[4 * 8 + 6] = 1.0;
        let patch = candidate(&image, &map, 4);
        assert_eq!((patch.width(), patch.height()), (8, 8));
        assert_eq!((patch.pixel(0, 0), patch.pixel(7, 7)), ([20, 12, 0], [27, 19, 0]));
        // 2 x 2 patches: one patch.
        assert_eq!(candidate(&image, &[0.0, 0.0, 0.0, 1.0], 16).pixel(0, 0), [16, 16, 0]);
    }

    #[test]
    fn patches_are_pasted_inside_the_image() {
        let (black, white) = (Rgb8::filled(32, 32, [0; 3]), Rgb8::filled(8, 8, [255; 3]));
        let bright =
            |image: &Rgb8| image.data().chunks(3).filter(|pixel| **pixel == [255; 3]).count();
        let places = places(4, 500, 32, 8, 1);
        assert!(places.iter().any(|&(x, y)| x == 24 || y == 24), "up to the edge");
        for at in places {
            assert_eq!(bright(&pasted(black.clone(), &white, at)), 64);
        }
        let (mut times, mut sides) = (0, [usize::MAX, 0]);
        for sample in 0..1000 {
            let patches = std::slice::from_ref(&white);
            let (image, is_pasted) = maybe_pasted(black.clone(), patches, &mut drawn(2, 0, sample));
            let side = bright(&image).isqrt();
            assert_eq!((is_pasted, side * side), (side > 0, bright(&image)));
            if is_pasted {
                times += 1;
                sides = [sides[0].min(side), sides[1].max(side)];
                assert_eq!((image.pixel(0, 16), image.pixel(31, 16)), ([0; 3], [0; 3]), "a margin");
            }
        }
        assert!((430..570).contains(&times), "{times}");
        assert_eq!(sides, [3, 11], "20 and 80 of 224");
    }
}
