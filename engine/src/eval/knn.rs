//! Weighted k-nearest-neighbour classification of features (Wu et al. 2018, "Unsupervised feature learning via non-parametric
//! instance discrimination"): what an encoder distinguishes before any classifier is trained on it.

use rayon::prelude::*;

use crate::compute::{Device, Similar};

/// Neighbours that vote.
const K: usize = 20;
/// Temperature of the votes: a neighbour at cosine similarity `s` votes with `exp(s / TEMPERATURE)`.
const TEMPERATURE: f32 = 0.07;
/// Rows that are compared with the bank at once on a thread.
const QUERIES: usize = 32;

/// Features with known classes, normalised to length 1.
pub struct Bank {
    rows: Box<dyn Similar>,
    labels: Vec<u32>,
    width: usize,
}

impl Bank {
    /// A bank of features, `width` numbers per label, compared with queries on a device. Panics when the lengths do not match.
    pub fn new(device: &dyn Device, features: &[f32], labels: Vec<u32>, width: usize) -> Self {
        assert!(features.len() == labels.len() * width, "one row of features for each label");
        Self { rows: device.similar(&normalised(features, width), width), labels, width }
    }

    /// The votes for each class by the `K` nearest neighbours of each row of `features`: `classes` numbers per row. Of equally distant
    /// neighbours, the first in the bank vote. A row without neighbours (because the bank is empty or its features are not
    /// finite) gets NaN for every class.
    pub fn votes(&self, features: &[f32], classes: usize) -> Vec<f32> {
        let queries = normalised(features, self.width);
        let votes_of_chunk = |chunk: &[f32]| {
            let (n, bank) = (chunk.len() / self.width, self.labels.len());
            let similarities = self.rows.similarities(chunk);
            (0..n)
                .flat_map(|i| self.votes_at(&similarities[i * bank..(i + 1) * bank], classes))
                .collect::<Vec<f32>>()
        };
        queries.par_chunks(QUERIES * self.width).flat_map_iter(votes_of_chunk).collect()
    }

    /// The votes of one row, from its similarity to each row of the bank.
    fn votes_at(&self, similarities: &[f32], classes: usize) -> Vec<f32> {
        let rows = similarities.iter().copied().enumerate();
        let mut nearest: Vec<(usize, f32)> = rows.filter(|(_, s)| s.is_finite()).collect();
        if nearest.is_empty() {
            return vec![f32::NAN; classes];
        }
        let order = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if nearest.len() > K {
            nearest.select_nth_unstable_by(K - 1, order);
            nearest.truncate(K);
        }
        nearest.sort_unstable_by(order);
        let mut votes = vec![0.0; classes];
        for (row, similarity) in nearest {
            // Shifted by the largest possible similarity, so that no vote overflows.
            votes[self.labels[row] as usize] += ((similarity - 1.0) / TEMPERATURE).exp();
        }
        votes
    }
}

/// Each row divided by its length.
fn normalised(features: &[f32], width: usize) -> Vec<f32> {
    let mut rows = features.to_vec();
    for row in rows.chunks_exact_mut(width) {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        for value in row {
            *value /= length;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use shared::settings::Precision;

    use super::*;
    use crate::compute::Machine;

    fn bank(features: &[f32], labels: Vec<u32>, width: usize) -> Bank {
        Bank::new(&Machine::with_threads(2).cpu(Precision::F32), features, labels, width)
    }

    #[test]
    fn votes_by_hand() {
        // Similarities to (1, 0): 1, 0.6, 0.
        let known = bank(&[2.0, 0.0, 3.0, 4.0, 0.0, 7.0], vec![1, 0, 2], 2);
        let votes = known.votes(&[5.0, 0.0], 4);
        let expected = [(-0.4f32 / 0.07).exp(), 1.0, (-1.0f32 / 0.07).exp(), 0.0];
        for (vote, expected) in votes.iter().zip(expected) {
            assert!((vote - expected).abs() < 1e-6, "{votes:?}");
        }
    }

    #[test]
    fn only_the_nearest_vote_and_the_order_of_the_bank_decides_a_tie() {
        let mut labels = vec![0; K];
        labels.extend([1; 30]);
        let known = bank(&[1.0, 0.0].repeat(50), labels, 2);
        assert_eq!(known.votes(&[1.0, 0.0], 2), [K as f32, 0.0]);
        // Far more rows of another class, a little farther away, do not vote.
        let far = [[1.0, 0.1].repeat(K), [1.0, 0.2].repeat(500)].concat();
        let labels = [vec![0; K], vec![1; 500]].concat();
        let votes = bank(&far, labels, 2).votes(&[1.0, 0.0], 2);
        assert!(votes[0] > 0.0 && votes[1] == 0.0, "{votes:?}");
    }

    #[test]
    fn a_row_without_neighbours_votes_for_nobody() {
        let nobody = bank(&[], Vec::new(), 2).votes(&[1.0, 0.0], 3);
        assert!(nobody.iter().all(|vote| vote.is_nan()));
        let known = bank(&[1.0, 0.0], vec![0], 2);
        assert!(known.votes(&[0.0, 0.0, f32::NAN, 1.0], 1).iter().all(|vote| vote.is_nan()));
    }
}
