//! How a batch is divided into shards.
//!
//! All threads of the processor work on the same shards and one gradient ([`nn`](super::nn)). A batch is divided in the same way
//! whatever their number, so the number of threads does not change a bit.

use std::ops::Range;

use super::nn::Gradients;

/// Maximum number of shards of a batch. More threads than that do not make a step faster.
pub const SHARDS: usize = 8;

/// The shards of `n` samples: as equal as possible, at most [`SHARDS`], none empty.
pub fn shards(n: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    let count = SHARDS.min(n);
    (0..count).map(move |i| i * n / count..(i + 1) * n / count)
}

/// A model's forward and backward pass over the shards of a batch, with reusable memory.
pub trait Pass: Send {
    /// The model.
    type Model: Sync;
    /// A shard of a batch, ready for the model.
    type Shard: Send + Sync;

    /// The loss of the shards: the sum of each shard's mean loss times its weight. Passes its gradient to `gradients`. Uses all
    /// threads of the current rayon pool.
    fn gradients(
        &mut self,
        model: &Self::Model,
        shards: &[Self::Shard],
        weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_sample_once() {
        for n in [1, 7, 8, 9, 128, 131] {
            let shards: Vec<_> = shards(n).collect();
            assert!(shards.len() <= SHARDS && shards.iter().all(|shard| !shard.is_empty()));
            assert_eq!(
                shards.into_iter().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
        }
    }
}
