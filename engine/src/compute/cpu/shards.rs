//! What a batch is cut into.
//!
//! All threads of the processor work on the same shards and one gradient ([`nn`](super::nn)): a batch is cut in the same way
//! whatever their number, so it does not change a bit.

use std::ops::Range;

use super::nn::Gradients;

/// Most shards of a batch. More threads than that do not make a step faster.
pub const SHARDS: usize = 8;

/// The shards of `n` samples: as equal as possible, at most [`SHARDS`], none empty.
pub fn shards(n: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    let count = SHARDS.min(n);
    (0..count).map(move |i| i * n / count..(i + 1) * n / count)
}

/// A model's forward and backward pass over the shards of a batch, with memory that is used again and again.
pub trait Pass: Send {
    /// The model.
    type Model: Sync;
    /// A shard of a batch, ready for the model.
    type Shard: Send + Sync;

    /// The loss of the shards and its gradient, which `gradients` takes: the sum over the shards of each one's mean loss times its
    /// weight. Works on all threads of the rayon pool that it is called in.
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
