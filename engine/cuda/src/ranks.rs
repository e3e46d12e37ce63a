//! One run on several devices: each batch is divided among them, a thread a device.
//!
//! Masks, mixing and the order of images belong to the batch, so they do not depend on the number of devices; a result differs from that
//! of one device by rounding alone. The first rank's model is the run's: after each step all ranks have the same bits.

use std::ops::Range;

use crate::{
    Error, LabelledImages, MaeTrainer, MaskedImages, Place, Result, VitTrainer,
    communicator::ThreadRank,
};

/// A model in training on several devices.
pub struct Ranks<T> {
    trainers: Vec<T>,
    ranks: Vec<ThreadRank>,
}

/// The images of a rank: as equal as they can be, none empty while there are images.
fn share(images: usize, ranks: usize, rank: usize) -> Range<usize> {
    images * rank / ranks..images * (rank + 1) / ranks
}

impl<T> Ranks<T> {
    /// Of trainers of the same model, one a device.
    ///
    /// # Panics
    /// Without a trainer.
    pub fn new(trainers: Vec<T>) -> Self {
        assert!(!trainers.is_empty(), "a run has a device");
        let ranks = ThreadRank::group(trainers.len());
        Self { trainers, ranks }
    }

    /// The first rank's trainer, whose model is the run's.
    pub fn first(&self) -> &T {
        &self.trainers[0]
    }

    /// The first rank's trainer.
    pub fn first_mut(&mut self) -> &mut T {
        &mut self.trainers[0]
    }

    /// All ranks' trainers.
    pub fn all_mut(&mut self) -> &mut [T] {
        &mut self.trainers
    }

    /// Runs a step of each rank on a thread of its own. Returns the error of the rank that failed first, not of those that waited for it.
    fn each(&mut self, step: impl Fn(usize, &mut T, &ThreadRank) -> Result<()> + Sync) -> Result<()>
    where
        T: Send,
    {
        let ranks = self.ranks.len();
        let step = &step;
        let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
            let threads = self.trainers.iter_mut().zip(&self.ranks).enumerate();
            let threads: Vec<_> = threads
                .map(|(rank, (trainer, communicator))| {
                    scope.spawn(move || {
                        let outcome = step(rank, trainer, communicator);
                        if let Err(error) = &outcome {
                            communicator.end(&error.to_string());
                        }
                        outcome
                    })
                })
                .collect();
            let joined = threads.into_iter().enumerate().map(|(rank, thread)| {
                thread.join().unwrap_or_else(|_| {
                    let message = format!("rank {rank} of {ranks} ended by a panic");
                    self.ranks[rank].end("a panic");
                    Err(Error::Rank(message))
                })
            });
            joined.collect()
        });
        let first = outcomes
            .iter()
            .position(|outcome| matches!(outcome, Err(error) if !matches!(error, Error::Rank(_))));
        match first {
            Some(rank) if ranks > 1 => {
                let error = outcomes[rank].as_ref().expect_err("it failed");
                Err(Error::Rank(format!("rank {rank} of {ranks}: {error}")))
            }
            _ => outcomes.into_iter().collect(),
        }
    }
}

impl Ranks<MaeTrainer> {
    /// Processes a batch, like [`MaeTrainer::step`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn step(&mut self, batch: &MaskedImages<'_>, place: Place) -> Result<()> {
        let (images, ranks) = (batch.images.len(), self.ranks.len());
        if ranks == 1 {
            return self.trainers[0].step(batch, place);
        }
        let patches = batch.orders.len() / images.max(1);
        self.each(|rank, trainer, communicator| {
            let part = share(images, ranks, rank);
            let orders = &batch.orders[part.start * patches..part.end * patches];
            let part = MaskedImages { images: &batch.images[part], orders, ..*batch };
            trainer.step_part(&part, images, place, communicator)
        })
    }
}

impl Ranks<VitTrainer> {
    /// Processes a batch, like [`VitTrainer::step`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn step(&mut self, batch: &LabelledImages<'_>, images: usize, place: Place) -> Result<()> {
        let ranks = self.ranks.len();
        if ranks == 1 {
            return self.trainers[0].step(batch, place);
        }
        let (pixels, classes) =
            (batch.planes.len() / images.max(1), batch.targets.len() / images.max(1));
        self.each(|rank, trainer, communicator| {
            let part = share(images, ranks, rank);
            let drops: Vec<_> =
                batch.drops.iter().map(|factors| factors[part.clone()].to_vec()).collect();
            let images_of_rank = LabelledImages {
                planes: &batch.planes[part.start * pixels..part.end * pixels],
                targets: &batch.targets[part.start * classes..part.end * classes],
                drops: &drops,
            };
            trainer.step_part(&images_of_rank, images, place, communicator)
        })
    }
}
