//! The split by loss of decoupling-based backdoor defence, DBD (Huang et al. 2022, "Backdoor defense via decoupling the training process"): features
//! that were learnt without labels do not join the trigger to the target, so a linear head on them learns poisons later than clean images.

use rayon::prelude::*;
use shared::stream::{Purpose, shuffle, stream};

use super::{
    Features, Filtered, Groups,
    features::{add, dot},
};

/// The method's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossSplit {
    /// Epochs for which the head is trained; 10 in the paper.
    pub epochs: u32,
    /// Share of all images, those with the highest losses, that is flagged; 0.5 in the paper.
    pub share: f64,
    /// Seed of the order of the images in each epoch.
    pub seed: u64,
}

/// Weights of cross-entropy and of reverse cross-entropy in the loss (the authors' values).
const ALPHA: f64 = 0.1;
const BETA: f64 = 1.0;
/// The logarithm that stands for that of 0 in reverse cross-entropy: of 1e-4, as in the authors' program.
const LOG_ZERO: f64 = -9.210_340_371_976_182;
/// Adam's rate and moments (the authors' values; the moments are its defaults), and images of a step.
const RATE: f64 = 2e-3;
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;
const BATCH: usize = 128;
/// Added to a feature's variance, as MAE's linear probe does.
const VARIANCE: f64 = 1e-6;

impl LossSplit {
    /// Trains a linear head on the standardised features with symmetric cross-entropy. The score of an image is its loss under the trained head; the
    /// index of a group is the mean of its images' losses.
    pub fn filter(&self, features: &Features, labels: &[u32], groups: &Groups) -> Filtered {
        let n = features.len();
        let mut said = Filtered::nothing(n);
        if n > 0 {
            said.scores = self.losses(features, labels);
        }
        let mean = |images: &[usize]| {
            let sum: f64 = images.iter().map(|&i| said.scores[i]).sum();
            (!images.is_empty()).then(|| sum / images.len() as f64)
        };
        said.indices = groups.iter().map(mean).collect();
        let mut suspects = order(features, labels);
        suspects.sort_by(|&a, &b| said.scores[b].total_cmp(&said.scores[a]));
        for &image in suspects.iter().take((self.share * n as f64 + 1e-9) as usize) {
            said.flagged[image] = true;
        }
        said
    }

    fn losses(&self, features: &Features, labels: &[u32]) -> Vec<f64> {
        let order = order(features, labels);
        let rows = standardised(features, &order);
        let width = features.width() + 1;
        let row = |i: usize| &rows[i * width..][..width];
        let classes = labels.iter().max().map_or(0, |&last| last as usize + 1);
        let mut head = Head::new(classes, width);
        for epoch in 0..self.epochs {
            let mut samples = order.clone();
            let mut rng = stream(self.seed, Purpose::Order, u64::from(epoch), 0);
            shuffle(&mut rng, &mut samples);
            for batch in samples.chunks(BATCH) {
                head.step(batch, &row, labels);
            }
        }
        (0..labels.len()).into_par_iter().map(|i| head.loss(row(i), labels[i] as usize)).collect()
    }
}

/// The images in an order that neither their places nor equal features decide.
fn order(features: &Features, labels: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..features.len()).collect();
    order.sort_by(|&a, &b| features.compare(a, b).then(labels[a].cmp(&labels[b])));
    order
}

/// Each feature less its mean, over its deviation, and a one for the head's bias: `(images, width + 1)`. Sums run in this order.
fn standardised(features: &Features, order: &[usize]) -> Vec<f64> {
    let sorted = features.select(order);
    let mean = sorted.mean();
    let mut variance = vec![0.0; mean.len()];
    for row in sorted.minus(&mean).rows() {
        let squares: Vec<f64> = row.iter().map(|value| value * value).collect();
        add(&mut variance, &squares, 1.0 / order.len() as f64);
    }
    let scaled = |row: &[f64]| -> Vec<f64> {
        let values = row.iter().zip(&mean).zip(&variance);
        let values =
            values.map(|((value, mean), variance)| (value - mean) / (variance + VARIANCE).sqrt());
        values.chain([1.0]).collect()
    };
    features.rows().flat_map(scaled).collect()
}

/// A linear classifier in training by Adam. It begins with zeros: all classes are as likely.
struct Head {
    /// `(classes, width)`, the bias last in each row.
    weights: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    width: usize,
    steps: i32,
}

impl Head {
    fn new(classes: usize, width: usize) -> Self {
        let zeros = vec![0.0; classes * width];
        Self { weights: zeros.clone(), first: zeros.clone(), second: zeros, width, steps: 0 }
    }

    /// The logarithms of the classes' probabilities.
    fn log_probabilities(&self, row: &[f64]) -> Vec<f64> {
        let scores: Vec<f64> =
            self.weights.chunks_exact(self.width).map(|weights| dot(weights, row)).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
        scores.into_iter().map(|score| score - most - sum.ln()).collect()
    }

    /// Symmetric cross-entropy (Wang et al. 2019): `ALPHA` times cross-entropy, and `BETA` times that of the label for the prediction, in which the
    /// logarithm of 0 is `LOG_ZERO`.
    fn loss(&self, row: &[f64], label: usize) -> f64 {
        let log = self.log_probabilities(row)[label];
        -ALPHA * log - BETA * LOG_ZERO * (1.0 - log.exp())
    }

    /// The loss's gradient for the scores: `(ALPHA - BETA * LOG_ZERO * p_label) * (p - label)`.
    fn slopes(&self, row: &[f64], label: usize) -> Vec<f64> {
        let mut slopes: Vec<f64> = self.log_probabilities(row).into_iter().map(f64::exp).collect();
        let factor = ALPHA - BETA * LOG_ZERO * slopes[label];
        slopes[label] -= 1.0;
        for slope in &mut slopes {
            *slope *= factor;
        }
        slopes
    }

    /// A step of Adam for the mean loss of these images.
    fn step<'a>(
        &mut self,
        batch: &[usize],
        row: &(impl Fn(usize) -> &'a [f64] + Sync),
        labels: &[u32],
    ) {
        let slopes: Vec<Vec<f64>> =
            batch.par_iter().map(|&i| self.slopes(row(i), labels[i] as usize)).collect();
        self.steps += 1;
        let bias = |beta: f64| 1.0 - beta.powi(self.steps);
        let (bias_first, bias_second) = (bias(BETAS.0), bias(BETAS.1));
        let width = self.width;
        let rows = self.weights.par_chunks_mut(width);
        let moments = self.first.par_chunks_mut(width).zip(self.second.par_chunks_mut(width));
        rows.zip(moments).enumerate().for_each(|(class, (weights, (first, second)))| {
            let mut gradient = vec![0.0; width];
            for (&i, slopes) in batch.iter().zip(&slopes) {
                add(&mut gradient, row(i), slopes[class] / batch.len() as f64);
            }
            let moments = first.iter_mut().zip(second.iter_mut());
            for ((weight, (first, second)), g) in weights.iter_mut().zip(moments).zip(gradient) {
                *first = BETAS.0 * *first + (1.0 - BETAS.0) * g;
                *second = BETAS.1 * *second + (1.0 - BETAS.1) * g * g;
                let deviation = (*second / bias_second).sqrt() + EPSILON;
                *weight -= RATE * (*first / bias_first) / deviation;
            }
        });
    }
}

#[cfg(test)]
mod tests;
