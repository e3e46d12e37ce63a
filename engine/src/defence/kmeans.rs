//! k-means: Lloyd's iterations from several k-means++ starts (Arthur and Vassilvitskii 2007), then moves of single images (Hartigan 1975),
//! which leave optima in which Lloyd's iterations end.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::stream::{Purpose, below, stream, uniform};

use super::{
    Features,
    features::{add, squared_distance},
};

/// Starts; the best one counts, of equally good ones the first.
pub const STARTS: u64 = 10;
/// Iterations of a start, unless the clusters stay the same before.
const ITERATIONS: usize = 300;

/// Clusters of features.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeans {
    /// The cluster of each image.
    pub clusters: Vec<usize>,
    /// The mean of each cluster: `(clusters, width)`.
    pub centres: Vec<f64>,
    /// Sum of the squared distances from the centres.
    pub inertia: f64,
}

impl KMeans {
    /// The best of [`STARTS`] starts with `k` clusters, from the stream of `seed`. With fewer images than clusters, some are empty.
    pub fn fit(features: &Features, k: usize, seed: u64) -> Self {
        assert!(k > 0, "at least one cluster");
        let mut best: Option<Self> = None;
        for start in 0..STARTS {
            let centres = spread(features, k, &mut stream(seed, Purpose::Clusters, start, 0));
            let found = Self::descend(features, centres).refined(features);
            if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
                best = Some(found);
            }
        }
        best.expect("there is a start")
    }

    /// Lloyd's iterations from these centres. A centre that loses all its images stays where it is.
    fn descend(features: &Features, mut centres: Vec<f64>) -> Self {
        let width = features.width();
        let mut clusters: Vec<usize> = Vec::new();
        let mut distances: Vec<f64> = Vec::new();
        for _ in 0..ITERATIONS {
            let (next, found): (Vec<usize>, Vec<f64>) = (0..features.len())
                .into_par_iter()
                .map(|i| nearest(features.row(i), &centres, width))
                .unzip();
            distances = found;
            if next == clusters {
                break;
            }
            clusters = next;
            let k = centres.len() / width;
            let mut sums = vec![0.0; centres.len()];
            let mut counts = vec![0usize; k];
            for (row, &cluster) in features.rows().zip(&clusters) {
                add(&mut sums[cluster * width..(cluster + 1) * width], row, 1.0);
                counts[cluster] += 1;
            }
            let means = sums.chunks_exact(width).zip(centres.chunks_exact_mut(width));
            for ((sum, centre), &count) in means.zip(&counts).filter(|&(_, &count)| count > 0) {
                for (centre, sum) in centre.iter_mut().zip(sum) {
                    *centre = sum / count as f64;
                }
            }
        }
        Self { clusters, centres, inertia: distances.iter().sum() }
    }
}

impl KMeans {
    /// Moves images one by one to another cluster as long as the inertia falls by more than rounding.
    fn refined(mut self, features: &Features) -> Self {
        let width = features.width();
        let mut counts = vec![0usize; self.centres.len() / width];
        self.clusters.iter().for_each(|&cluster| counts[cluster] += 1);
        for _ in 0..ITERATIONS {
            let mut moved = false;
            for (row, cluster) in features.rows().zip(&mut self.clusters) {
                moved |= improve(row, cluster, &mut self.centres, &mut counts);
            }
            if !moved {
                break;
            }
        }
        let centre = |cluster: usize| &self.centres[cluster * width..(cluster + 1) * width];
        let rows = features.rows().zip(&self.clusters);
        self.inertia = rows.map(|(row, &cluster)| squared_distance(row, centre(cluster))).sum();
        self
    }
}

/// Moves an image to the cluster in which it adds least to the inertia, if that is less than it adds where it is. Says whether it did.
fn improve(row: &[f64], cluster: &mut usize, centres: &mut [f64], counts: &mut [usize]) -> bool {
    let (width, own) = (row.len(), *cluster);
    if counts[own] < 2 {
        return false;
    }
    let added = |other: usize| {
        let n = counts[other] as f64;
        let factor = if other == own { n / (n - 1.0) } else { n / (n + 1.0) };
        factor * squared_distance(row, &centres[other * width..(other + 1) * width])
    };
    let here = added(own);
    let (mut best, mut least) = (own, here - 1e-12 * here);
    for other in (0..counts.len()).filter(|&other| other != own && counts[other] > 0) {
        let there = added(other);
        if there < least {
            (best, least) = (other, there);
        }
    }
    if best == own {
        return false;
    }
    let mut shift = |cluster: usize, towards: f64| {
        let centre = &mut centres[cluster * width..(cluster + 1) * width];
        for (centre, value) in centre.iter_mut().zip(row) {
            *centre += towards * (value - *centre);
        }
    };
    shift(own, -1.0 / (counts[own] - 1) as f64);
    shift(best, 1.0 / (counts[best] + 1) as f64);
    counts[own] -= 1;
    counts[best] += 1;
    *cluster = best;
    true
}

/// The first of the nearest centres, and the squared distance from it.
pub(super) fn nearest(row: &[f64], centres: &[f64], width: usize) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for (i, centre) in centres.chunks_exact(width).enumerate() {
        let distance = squared_distance(row, centre);
        if distance < best.1 {
            best = (i, distance);
        }
    }
    best
}

/// The first centres: an image at random, then each image with a chance proportional to its squared distance from the nearest centre.
fn spread(features: &Features, k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let n = features.len();
    if n == 0 {
        return vec![0.0; k * features.width()];
    }
    let mut centres = features.row(below(rng, n as u32) as usize).to_vec();
    let mut distances = vec![f64::INFINITY; n];
    for _ in 1..k {
        let last = centres[centres.len() - features.width()..].to_vec();
        for (distance, row) in distances.iter_mut().zip(features.rows()) {
            *distance = distance.min(squared_distance(row, &last));
        }
        let whole: f64 = distances.iter().sum();
        let mut rest = f64::from(uniform(rng)) * whole;
        let passed = |distance: &f64| {
            rest -= distance;
            rest < 0.0
        };
        let chosen = distances.iter().position(passed).unwrap_or(n - 1);
        centres.extend_from_slice(features.row(chosen));
    }
    centres
}

/// The mean silhouette of two clusters (Rousseeuw 1987), in -1 to 1: for an image, how much nearer its own cluster is than the other,
/// divided by the larger of both mean distances; 0 for an image that is alone in its cluster. `None` when a cluster is empty.
pub fn silhouette(features: &Features, clusters: &[usize]) -> Option<f64> {
    let sizes = [0, 1].map(|k| clusters.iter().filter(|&&cluster| cluster == k).count());
    if sizes.contains(&0) {
        return None;
    }
    let of_image = |i: usize| {
        let mut sums = [0.0, 0.0];
        for (row, &cluster) in features.rows().zip(clusters) {
            sums[cluster] += squared_distance(features.row(i), row).sqrt();
        }
        let own = clusters[i];
        if sizes[own] == 1 {
            return 0.0;
        }
        let within = sums[own] / (sizes[own] - 1) as f64;
        let between = sums[1 - own] / sizes[1 - own] as f64;
        let larger = within.max(between);
        if larger > 0.0 { (between - within) / larger } else { 0.0 }
    };
    let each: Vec<f64> = (0..features.len()).into_par_iter().map(of_image).collect();
    Some(each.iter().sum::<f64>() / each.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f64]) -> Features {
        Features::new(values.to_vec(), 1).unwrap()
    }

    #[test]
    fn two_clusters_by_hand() {
        let found = KMeans::fit(&line(&[0.0, 1.0, 10.0, 11.0, 12.0]), 2, 1);
        assert!((found.inertia - 2.5).abs() < 1e-12);
        assert_eq!(found.clusters[0], found.clusters[1]);
        assert_ne!(found.clusters[1], found.clusters[2]);
        let mut centres = found.centres.clone();
        centres.sort_by(f64::total_cmp);
        assert_eq!(centres, [0.5, 11.0]);
    }

    #[test]
    fn a_silhouette_by_hand() {
        // Image 0: within 1, between 10.5: 9.5 / 10.5. Image 1: within 1, between 9.5: 8.5 / 9.5. Image 2 and 3 as 1 and 0.
        let value = silhouette(&line(&[0.0, 1.0, 10.0, 11.0]), &[0, 0, 1, 1]).unwrap();
        assert!((value - f64::midpoint(9.5 / 10.5, 8.5 / 9.5)).abs() < 1e-12, "{value}");
        assert_eq!(silhouette(&line(&[0.0, 1.0]), &[0, 0]), None);
        assert_eq!(silhouette(&line(&[0.0, 0.0, 0.0]), &[0, 0, 1]), Some(0.0));
    }

    #[test]
    fn equal_images_and_more_clusters_than_images() {
        let found = KMeans::fit(&line(&[2.0; 4]), 3, 7);
        assert_eq!((found.inertia, found.clusters), (0.0, vec![0; 4]));
        assert!(KMeans::fit(&line(&[]), 2, 7).clusters.is_empty());
    }
}
