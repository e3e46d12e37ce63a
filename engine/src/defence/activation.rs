//! Activation clustering (Chen et al. 2018, "Detecting backdoor attacks on deep neural networks by activation clustering"): the features of
//! a class fall into two clusters, of which one may be the poisons.

use super::{
    Features, Filtered, Groups,
    features::squared_distance,
    kmeans::{KMeans, silhouette},
    pca::reduced,
};

/// Share below which a cluster is small.
const SMALL: f64 = 0.35;
/// Silhouette above which two clusters are real.
const APART: f64 = 0.10;

/// Which cluster of a group is taken for poisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The smaller one, always: a clean group loses up to half of itself.
    Smaller,
    /// The smaller one if it has less than 35 % of the images.
    RelativeSize,
    /// The smaller one if it has less than 35 % of the images and the mean silhouette is above 0.10.
    Silhouette,
}

/// The method's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationClustering {
    /// Principal components that the features are reduced to; the paper takes 10 (independent ones).
    pub dimensions: usize,
    /// Which cluster is taken for poisons.
    pub decision: Decision,
    /// Seed of the clusters' starts.
    pub seed: u64,
}

impl ActivationClustering {
    /// Judges the images of each group. The index of a group is its silhouette. The score of an image is its distance from the centre of the
    /// larger cluster less that from the centre of the smaller one, among the principal components.
    pub fn filter(&self, features: &Features, groups: &Groups) -> Filtered {
        let mut said = Filtered::nothing(features.len());
        for images in groups.iter() {
            let split = (images.len() > 1).then(|| self.split(&features.select(images)));
            let Some(split) = split else {
                said.indices.push(None);
                continue;
            };
            let poisoned = match self.decision {
                Decision::Smaller => true,
                Decision::RelativeSize => split.share < SMALL,
                Decision::Silhouette => {
                    split.share < SMALL && split.silhouette.is_some_and(|value| value > APART)
                }
            };
            for (i, &image) in images.iter().enumerate() {
                said.scores[image] = split.scores[i];
                said.flagged[image] = poisoned && split.in_smaller[i];
            }
            said.indices.push(split.silhouette);
        }
        said
    }

    fn split(&self, features: &Features) -> Split {
        let low = reduced(features, self.dimensions);
        let found = KMeans::fit(&low, 2, self.seed);
        let n = low.len();
        let second = found.clusters.iter().filter(|&&cluster| cluster == 1).count();
        // Of equal clusters, the first image's is the larger.
        let small = match (2 * second).cmp(&n) {
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => 1 - found.clusters[0],
        };
        let width = low.width();
        let distance = |row: &[f64], cluster: usize| {
            let centre = &found.centres[cluster * width..(cluster + 1) * width];
            squared_distance(row, centre).sqrt()
        };
        let in_smaller: Vec<bool> = found.clusters.iter().map(|&c| c == small).collect();
        let size = in_smaller.iter().filter(|&&is| is).count();
        Split {
            scores: low.rows().map(|row| distance(row, 1 - small) - distance(row, small)).collect(),
            share: size as f64 / n as f64,
            silhouette: silhouette(&low, &found.clusters),
            in_smaller,
        }
    }
}

/// The two clusters of a group.
struct Split {
    scores: Vec<f64>,
    in_smaller: Vec<bool>,
    /// Share of the smaller cluster.
    share: f64,
    silhouette: Option<f64>,
}

#[cfg(test)]
mod tests;
