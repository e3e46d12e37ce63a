//! Points in the plane whose neighbours are those of features: t-SNE.
//!
//! Exact, not by trees: a map has at most some thousand images. It starts from principal components instead of random places, so the same
//! features give the same map.

use rayon::prelude::*;

use crate::{
    defence::{Features, squared_distance},
    stop::Watch,
};

/// Steps of the descent, and those of them at the beginning in which affinities are larger (van der Maaten and Hinton 2008, section 3.4).
const STEPS: usize = 1000;
const EARLY: usize = 250;
/// By how much they are larger.
const EXAGGERATION: f64 = 12.0;
/// Momentum while they are, and afterwards.
const MOMENTUM: [f64; 2] = [0.5, 0.8];
/// Spread of the first places along the first component.
const START: f64 = 1e-4;
/// Least factor of a step along one coordinate.
const LEAST_GAIN: f64 = 0.01;
/// Least rate of the descent; larger sets have a larger one (Belkina et al. 2019).
const LEAST_RATE: f64 = 50.0;

/// A map of features by their neighbours.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// A place for each image.
    pub places: Vec<[f64; 2]>,
    /// The Kullback-Leibler divergence of the places' affinities from the features' in nats, which the descent minimises.
    pub divergence: f64,
}

/// Maps features to the plane (van der Maaten and Hinton, *Visualizing data using t-SNE*, 2008): each image has about `perplexity` neighbours.
/// `start` has a place for each image, such as its first two principal components; only its shape counts. With fewer than two images all
/// stay where they start. Stops early, with the places as they are, when the watch stops the work. No bit depends on the number of threads.
///
/// Perplexity lies between 1 and the number of images - 1; what lies outside is moved inside.
pub fn embed(
    features: &Features,
    start: &[[f64; 2]],
    perplexity: f64,
    watch: &mut dyn Watch,
) -> Embedding {
    let count = features.len();
    assert_eq!(count, start.len(), "a place for each image");
    let mut places = start.to_vec();
    if count < 2 {
        return Embedding { places, divergence: 0.0 };
    }
    let affinities = affinities(features, perplexity.clamp(1.0, (count - 1) as f64));
    let spread = deviation(start);
    for place in &mut places {
        *place = place.map(|value| if spread > 0.0 { value / spread * START } else { 0.0 });
    }
    let rate = (count as f64 / EXAGGERATION / 4.0).max(LEAST_RATE);
    let mut speed = vec![[0.0; 2]; count];
    let mut gains = vec![[1.0f64; 2]; count];
    for step in 0..STEPS {
        if watch.stopped() {
            break;
        }
        watch.progress("map", step as u64, STEPS as u64);
        let early = step < EARLY;
        let exaggeration = if early { EXAGGERATION } else { 1.0 };
        let momentum = MOMENTUM[usize::from(!early)];
        let slopes = slopes(&affinities, &places, exaggeration);
        let coordinates = places.iter_mut().zip(&mut speed).zip(&mut gains).zip(&slopes);
        for (((place, speed), gain), slope) in coordinates {
            for k in 0..2 {
                // A coordinate that keeps its direction goes faster, one that turns goes slower.
                let turns = speed[k] * slope[k] >= 0.0;
                gain[k] = if turns { gain[k] * 0.8 } else { gain[k] + 0.2 }.max(LEAST_GAIN);
                speed[k] = momentum * speed[k] - rate * gain[k] * slope[k];
                place[k] += speed[k];
            }
        }
    }
    let divergence = divergence(&affinities, &places);
    Embedding { places, divergence }
}

/// Standard deviation of the first coordinate.
fn deviation(places: &[[f64; 2]]) -> f64 {
    let count = places.len() as f64;
    let mean = places.iter().map(|place| place[0]).sum::<f64>() / count;
    (places.iter().map(|place| (place[0] - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// Joint affinities `p_ij`, row by row, which add up to 1 (equation 1, and `p_ij = (p_j|i + p_i|j) / 2n`).
fn affinities(features: &Features, perplexity: f64) -> Vec<f64> {
    let count = features.len();
    let mut given = vec![0.0; count * count];
    given.par_chunks_mut(count).enumerate().for_each(|(i, row)| {
        let own = features.row(i);
        for (distance, other) in row.iter_mut().zip(features.rows()) {
            *distance = squared_distance(own, other);
        }
        conditional(row, i, perplexity.ln());
    });
    let mut joint = vec![0.0; count * count];
    joint.par_chunks_mut(count).enumerate().for_each(|(i, row)| {
        for (j, value) in row.iter_mut().enumerate() {
            *value = (given[i * count + j] + given[j * count + i]) / (2 * count) as f64;
        }
    });
    joint
}

/// Turns squared distances from image `own` into its affinities `p_j|own`, whose entropy in nats is `entropy`.
fn conditional(row: &mut [f64], own: usize, entropy: f64) {
    let others = || row.iter().enumerate().filter(|&(j, _)| j != own).map(|(_, &value)| value);
    // Subtracting the smallest distance changes no affinity and keeps the exponentials from underflowing.
    let nearest = others().fold(f64::INFINITY, f64::min);
    let of = |precision: f64| {
        let (mut sum, mut weighted) = (0.0, 0.0);
        for distance in others() {
            let weight = (-(distance - nearest) * precision).exp();
            sum += weight;
            weighted += weight * (distance - nearest);
        }
        (sum, sum.ln() + precision * weighted / sum)
    };
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mean = others().sum::<f64>() / (row.len() - 1) as f64 - nearest;
    // Of equal distances, any precision makes the same affinities.
    let mut precision = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    for _ in 0..200 {
        let found = of(precision).1;
        if (found - entropy).abs() < 1e-10 {
            break;
        }
        if found > entropy {
            low = precision;
            precision = if high.is_finite() { f64::midpoint(low, high) } else { precision * 2.0 };
        } else {
            high = precision;
            precision = f64::midpoint(low, high);
        }
    }
    let sum = of(precision).0;
    for (j, value) in row.iter_mut().enumerate() {
        *value = if j == own { 0.0 } else { (-(*value - nearest) * precision).exp() / sum };
    }
}

/// The slope of the divergence at each place (equation 5), with affinities multiplied by `exaggeration`.
fn slopes(affinities: &[f64], places: &[[f64; 2]], exaggeration: f64) -> Vec<[f64; 2]> {
    let count = places.len();
    // Attraction, repulsion but for the sum over all pairs, and the place's part of that sum.
    let parts: Vec<([f64; 2], [f64; 2], f64)> = (0..count)
        .into_par_iter()
        .map(|i| {
            let (mut pull, mut push, mut sum) = ([0.0; 2], [0.0; 2], 0.0);
            let row = &affinities[i * count..(i + 1) * count];
            for (affinity, other) in row.iter().zip(places) {
                let apart = [places[i][0] - other[0], places[i][1] - other[1]];
                let near = nearness(apart);
                sum += near;
                for k in 0..2 {
                    pull[k] += affinity * near * apart[k];
                    push[k] += near * near * apart[k];
                }
            }
            // Itself is no pair.
            (pull, push, sum - 1.0)
        })
        .collect();
    let total: f64 = parts.iter().map(|(_, _, sum)| sum).sum();
    let slope = |(pull, push, _): &([f64; 2], [f64; 2], f64)| {
        [0, 1].map(|k| 4.0 * (exaggeration * pull[k] - push[k] / total))
    };
    parts.iter().map(slope).collect()
}

/// Student's kernel with one degree of freedom, which affinities in the plane are proportional to (equation 4).
fn nearness(apart: [f64; 2]) -> f64 {
    1.0 / (1.0 + apart[0] * apart[0] + apart[1] * apart[1])
}

/// `KL(P || Q)` in nats (equation 2).
fn divergence(affinities: &[f64], places: &[[f64; 2]]) -> f64 {
    let count = places.len();
    let near =
        |i: usize, j: usize| nearness([places[i][0] - places[j][0], places[i][1] - places[j][1]]);
    let pairs = |i: usize| (0..count).filter(move |&j| j != i);
    let sums: Vec<f64> =
        (0..count).into_par_iter().map(|i| pairs(i).map(|j| near(i, j)).sum()).collect();
    let total: f64 = sums.iter().sum();
    let rows: Vec<f64> = (0..count)
        .into_par_iter()
        .map(|i| {
            let of = |j: usize| {
                let affinity = affinities[i * count + j];
                if affinity > 0.0 { affinity * (affinity * total / near(i, j)).ln() } else { 0.0 }
            };
            pairs(i).map(of).sum()
        })
        .collect();
    rows.iter().sum()
}

#[cfg(test)]
mod tests;
