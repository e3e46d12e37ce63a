//! Which samples form which batch, and preparing the next batch while the current one trains.

use std::{panic::resume_unwind, sync::mpsc, thread};

use shared::stream::{Purpose, shuffle, stream};

/// All batches of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// Samples per epoch.
    pub samples: usize,
    /// Samples per batch; an epoch's smaller last batch is dropped, unless it is the only one.
    pub size: usize,
    /// Epochs.
    pub epochs: u32,
    /// Seed of the order.
    pub seed: u64,
}

/// One batch of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Epoch, counted from 0.
    pub epoch: u32,
    /// Step within the epoch, counted from 0.
    pub step: usize,
    /// Steps per epoch.
    pub steps_per_epoch: usize,
    /// The samples.
    pub samples: Vec<u32>,
}

impl Batch {
    /// Steps done after this batch.
    pub fn steps_done(&self) -> u64 {
        u64::from(self.epoch) * self.steps_per_epoch as u64 + self.step as u64 + 1
    }

    /// Whether this is the last batch of its epoch.
    pub fn ends_epoch(&self) -> bool {
        self.step + 1 == self.steps_per_epoch
    }
}

impl Batches {
    /// Steps per epoch.
    pub fn steps_per_epoch(&self) -> usize {
        (self.samples / self.size.max(1)).max(1)
    }

    /// Samples of each batch.
    pub fn images(&self) -> usize {
        self.size.min(self.samples)
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> u64 {
        u64::from(self.epochs) * self.steps_per_epoch() as u64
    }

    /// The batches in order; each epoch reshuffles all samples.
    pub fn iter(self) -> impl Iterator<Item = Batch> + Send {
        self.iter_after(0)
    }

    /// The batches after the first `done` epochs.
    pub fn iter_after(self, done: u32) -> impl Iterator<Item = Batch> + Send {
        let steps_per_epoch = self.steps_per_epoch();
        (done..self.epochs).flat_map(move |epoch| {
            let mut order: Vec<u32> = (0..self.samples as u32).collect();
            shuffle(&mut stream(self.seed, Purpose::Order, u64::from(epoch), 0), &mut order);
            let size = self.images();
            (0..steps_per_epoch).map(move |step| {
                let samples = order[step * size..(step + 1) * size].to_vec();
                Batch { epoch, step, steps_per_epoch, samples }
            })
        })
    }

    /// Prepares each batch after the first `done` epochs with `make`, on a separate thread and one ahead of `train`.
    ///
    /// # Errors
    /// The first error of `train`, which ends the training. A panic in `make` is propagated to the caller.
    pub fn prefetched<B: Send, E>(
        self,
        done: u32,
        make: impl Fn(&Batch) -> B + Send,
        mut train: impl FnMut(Batch, B) -> Result<(), E>,
    ) -> Result<(), E> {
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel(1);
            let maker = scope.spawn(move || {
                for batch in self.iter_after(done) {
                    let made = make(&batch);
                    if sender.send((batch, made)).is_err() {
                        break; // the training ended with an error
                    }
                }
            });
            let result = receiver.iter().try_for_each(|(batch, made)| train(batch, made));
            drop(receiver);
            maker.join().unwrap_or_else(|panic| resume_unwind(panic));
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCHES: Batches = Batches { samples: 10, size: 4, epochs: 2, seed: 3 };

    #[test]
    fn an_epoch_takes_each_sample_once_and_drops_the_rest() {
        let batches: Vec<Batch> = BATCHES.iter().collect();
        assert_eq!((batches.len(), BATCHES.steps()), (4, 4));
        let mut first: Vec<u32> = batches[..2].iter().flat_map(|b| b.samples.clone()).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 8);
        assert_ne!(batches[0].samples, batches[2].samples, "each epoch has its own order");
        assert!(!batches[0].ends_epoch() && batches[1].ends_epoch());
        assert_eq!(batches[3].steps_done(), 4);
    }

    #[test]
    fn the_batches_behind_an_epoch_are_those_of_the_whole() {
        let whole: Vec<Batch> = BATCHES.iter().collect();
        assert_eq!(BATCHES.iter_after(1).collect::<Vec<_>>(), whole[2..]);
        assert_eq!(BATCHES.iter_after(2).count(), 0);
    }

    #[test]
    fn fewer_samples_than_a_batch_make_one_batch() {
        let batches: Vec<Batch> = Batches { samples: 3, ..BATCHES }.iter().collect();
        assert_eq!(batches.len(), 2);
        assert_eq!(batches[0].samples.len(), 3);
    }

    #[test]
    fn prefetching_keeps_the_order_and_ends_with_an_error() {
        let mut seen = Vec::new();
        let result = BATCHES.prefetched(0, Batch::steps_done, |batch, made| {
            assert_eq!(batch.steps_done(), made);
            seen.push(made);
            if made == 3 { Err("enough") } else { Ok(()) }
        });
        assert_eq!((result, seen), (Err("enough"), vec![1, 2, 3]));
    }
}
