//! Groups of images that a sample filter looks at one by one: classes, clusters, or all images together.

use super::{Features, kmeans::KMeans};

/// Groups of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The images of each group, sorted by their features ([`Features::sorted`]), so that no result depends on the order of the images.
    members: Vec<Vec<usize>>,
}

impl Groups {
    /// By label: group `k` has the images with `labels[i] == k`.
    pub fn by_label(features: &Features, labels: &[u32]) -> Self {
        assert_eq!(features.len(), labels.len(), "one label for each image");
        let classes = labels.iter().max().map_or(0, |&last| last as usize + 1);
        let mut members = vec![Vec::new(); classes];
        for (image, &label) in labels.iter().enumerate() {
            members[label as usize].push(image);
        }
        Self { members: members.into_iter().map(|images| features.sorted(images)).collect() }
    }

    /// By cluster: k-means of the features, each divided by its length, with `clusters` centres. For images without labels.
    pub fn by_cluster(features: &Features, clusters: usize, seed: u64) -> Self {
        let order = features.sorted((0..features.len()).collect());
        let found = KMeans::fit(&features.select(&order).normalised(), clusters, seed);
        let mut members = vec![Vec::new(); clusters];
        for (&image, &cluster) in order.iter().zip(&found.clusters) {
            members[cluster].push(image);
        }
        Self { members }
    }

    /// All images in one group.
    pub fn all(features: &Features) -> Self {
        Self { members: vec![features.sorted((0..features.len()).collect())] }
    }

    /// The images of each group.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.members.iter().map(Vec::as_slice)
    }

    /// The group of each image.
    pub fn of_images(&self) -> Vec<usize> {
        let mut groups = vec![0; self.members.iter().map(Vec::len).sum()];
        for (group, images) in self.members.iter().enumerate() {
            for &image in images {
                groups[image] = group;
            }
        }
        groups
    }
}

/// What a sample filter says of each image of a training set.
#[derive(Clone, Debug, PartialEq)]
pub struct Filtered {
    /// The score of each image; higher is more suspicious.
    pub scores: Vec<f64>,
    /// Whether the filter takes the image for a poison.
    pub flagged: Vec<bool>,
    /// For each group what the method says of it as a whole; `None` of a group that is too small. The method's description defines it.
    pub indices: Vec<Option<f64>>,
}

impl Filtered {
    /// Nothing suspected among `images`.
    pub(super) fn nothing(images: usize) -> Self {
        Self { scores: vec![0.0; images], flagged: vec![false; images], indices: Vec::new() }
    }
}
