//! Spectral signatures (Tran, Li and Madry 2018, "Spectral signatures in backdoor attacks"): images that lie far along the direction in
//! which the features of their class vary most.

use super::{Features, Filtered, Groups, eigen::Eigen, features::dot};

/// The method's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spectral {
    /// Upper bound on the share of poisons in a group, as the defender believes: of `n` images, the `ceil(1.5 * share * n)` with the
    /// highest scores are flagged.
    pub assumed_share: f64,
    /// Whether the score is taken of centred features, as the paper defines it: `((r - m) v)^2`. Without, `|r v|`, as the authors'
    /// TensorFlow program and the Adversarial Robustness Toolbox compute it; `v` is the same.
    pub centre: bool,
}

/// Images flagged per assumed poison (the paper's factor).
const FACTOR: f64 = 1.5;

impl Spectral {
    /// Judges the images of each group. The index of a group is the share of its variance along its first principal direction.
    pub fn filter(&self, features: &Features, groups: &Groups) -> Filtered {
        let mut said = Filtered::nothing(features.len());
        for images in groups.iter() {
            let spectrum = Spectrum::of(&features.select(images));
            said.indices.push(spectrum.as_ref().and_then(Spectrum::first_share));
            let Some(spectrum) = spectrum else { continue };
            for &image in images {
                said.scores[image] = spectrum.score(features.row(image), self.centre);
            }
            let mut suspects = images.to_vec();
            suspects.sort_by(|&a, &b| said.scores[b].total_cmp(&said.scores[a]));
            for &image in suspects.iter().take(self.removed(images.len())) {
                said.flagged[image] = true;
            }
        }
        said
    }

    /// How many of `n` images are flagged. Products such as 1.5 * 0.2 * 60 are a whole number but for rounding.
    fn removed(&self, n: usize) -> usize {
        (FACTOR * self.assumed_share * n as f64 - 1e-9).ceil() as usize
    }
}

/// Mean, principal directions and singular values of a group's centred features.
struct Spectrum {
    mean: Vec<f64>,
    first: Vec<f64>,
    singular_values: Vec<f64>,
}

impl Spectrum {
    /// `None` of a group without images.
    fn of(features: &Features) -> Option<Self> {
        if features.is_empty() {
            return None;
        }
        let mean = features.mean();
        let eigen = Eigen::of(features.minus(&mean).gram(), features.width());
        let singular_values = eigen.values.iter().map(|value| value.max(0.0).sqrt()).collect();
        Some(Self { mean, first: eigen.vector(0).to_vec(), singular_values })
    }

    fn score(&self, row: &[f64], centre: bool) -> f64 {
        let along = dot(row, &self.first);
        if centre { (along - dot(&self.mean, &self.first)).powi(2) } else { along.abs() }
    }

    /// `None` when all images are equal.
    fn first_share(&self) -> Option<f64> {
        let squares: f64 = self.singular_values.iter().map(|value| value * value).sum();
        (squares > 0.0).then(|| self.singular_values[0].powi(2) / squares)
    }
}

#[cfg(test)]
mod tests;
