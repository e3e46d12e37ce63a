//! One run on several devices: each batch is divided among them, a thread a device.
//!
//! Masks, mixing and the order of images belong to the batch, so they do not depend on the number of devices; a result differs from that
//! of one device by rounding alone. The first rank's model is the run's: after each step all ranks have the same bits.

#[cfg(test)]
pub(crate) mod tests;

use std::{ops::Range, sync::Arc};

use crate::{
    Device, Error, HeldImages, LabelledImages, MaeTrainer, MaskedImages, Place, Result, Training,
    VitTrainer,
    buckets::PART,
    communicator::{Alone, Communicator, ThreadRank, nccl::Nccl},
    libraries::{Libraries, Library},
};

/// How the devices of a run add up their gradients.
#[derive(Clone)]
pub enum Group {
    /// There is one device.
    Alone,
    /// By NCCL.
    Nccl(Connection),
    /// By way of the host's memory, for this reason.
    Host(String),
}

/// NCCL, opened.
#[derive(Clone)]
pub struct Connection(Nccl);

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.bits())
    }
}

impl Group {
    /// The fastest way for these devices.
    pub fn of(devices: &[Device]) -> Self {
        if devices.len() < 2 {
            return Self::Alone;
        }
        if !devices.iter().all(|device| device.gpu().is_nvidia()) {
            return Self::Host("an emulated GPU has no other way".into());
        }
        let open = || -> Result<Nccl, String> {
            let found = Libraries::open().get(Library::Nccl).map_err(|error| error.to_string())?;
            Nccl::open(&found.file).map_err(|why| format!("{}: {why}", found.file.display()))
        };
        match open() {
            Ok(nccl) => Self::Nccl(Connection(nccl)),
            Err(why) => Self::Host(why),
        }
    }

    /// What the bits of a sum depend on; nothing where there is no sum.
    pub fn bits(&self) -> String {
        match self {
            Self::Alone => String::new(),
            Self::Nccl(Connection(nccl)) => format!(", added up by NCCL {}", nccl.version()),
            Self::Host(_) => ", added up by the host".into(),
        }
    }

    /// What whoever follows the run should know of it.
    pub fn note(&self) -> Option<String> {
        match self {
            Self::Alone => None,
            Self::Nccl(Connection(nccl)) => {
                Some(format!("the GPUs add up gradients by NCCL {}", nccl.version()))
            }
            Self::Host(why) => Some(format!(
                "the GPUs add up gradients by way of the host's memory, which is slow: {why}"
            )),
        }
    }

    /// Connects devices.
    fn join(&self, devices: &[Device]) -> Result<Vec<Box<dyn Communicator>>> {
        Ok(match self {
            Self::Alone => vec![Box::new(Alone)],
            Self::Host(_) => boxed(ThreadRank::group(devices.len(), PART)),
            Self::Nccl(Connection(nccl)) => {
                let gpus: Vec<_> = devices.iter().map(|device| Arc::clone(device.gpu())).collect();
                boxed(nccl.join(&gpus, PART)?)
            }
        })
    }
}

fn boxed<C: Communicator + 'static>(ranks: Vec<C>) -> Vec<Box<dyn Communicator>> {
    ranks.into_iter().map(|rank| Box::new(rank) as Box<dyn Communicator>).collect()
}

/// What is trained on a rank.
pub trait Trains: Send {
    /// Its parameters, moments and losses.
    fn training(&self) -> &Training;

    /// Its parameters, moments and losses, to change.
    fn training_mut(&mut self) -> &mut Training;
}

impl Trains for MaeTrainer {
    fn training(&self) -> &Training {
        self.training()
    }

    fn training_mut(&mut self) -> &mut Training {
        self.training_mut()
    }
}

impl Trains for VitTrainer {
    fn training(&self) -> &Training {
        self.training()
    }

    fn training_mut(&mut self) -> &mut Training {
        self.training_mut()
    }
}

/// A model in training on several devices.
pub struct Ranks<T> {
    trainers: Vec<T>,
    ranks: Vec<Box<dyn Communicator>>,
}

/// Tells the others of a rank that it has ended, should its thread panic.
struct Watched<'a>(&'a dyn Communicator);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end("a panic");
        }
    }
}

/// The images of a rank: as equal as they can be, none empty while there are images.
fn share(images: usize, ranks: usize, rank: usize) -> Range<usize> {
    images * rank / ranks..images * (rank + 1) / ranks
}

impl<T: Send> Ranks<T> {
    /// A trainer of the same model on each of these devices, connected as `group` says.
    ///
    /// # Errors
    /// When a trainer cannot be created, or the devices cannot be connected.
    ///
    /// # Panics
    /// Without a device.
    pub fn new(
        devices: &[Device],
        group: &Group,
        create: impl Fn(&Device) -> Result<T>,
    ) -> Result<Self> {
        assert!(!devices.is_empty(), "a run has a device");
        let trainers = devices.iter().map(create).collect::<Result<_>>()?;
        Ok(Self { trainers, ranks: group.join(devices)? })
    }

    /// The first rank's trainer, whose model is the run's.
    pub fn first(&self) -> &T {
        &self.trainers[0]
    }

    /// Does the work of each rank on a thread of its own. Gives the first rank's result, or the error of the rank that failed first, not of
    /// those that waited for it.
    fn each<R: Send>(
        &mut self,
        work: impl Fn(usize, &mut T, &dyn Communicator) -> Result<R> + Sync,
    ) -> Result<R> {
        let ranks = self.ranks.len();
        if ranks == 1 {
            return work(0, &mut self.trainers[0], &*self.ranks[0]);
        }
        let work = &work;
        let mut outcomes: Vec<Result<R>> = std::thread::scope(|scope| {
            let threads = self.trainers.iter_mut().zip(&self.ranks).enumerate();
            let threads: Vec<_> = threads
                .map(|(rank, (trainer, communicator))| {
                    scope.spawn(move || {
                        let _watched = Watched(&**communicator);
                        work(rank, trainer, &**communicator)
                            .inspect_err(|error| communicator.end(&error.to_string()))
                    })
                })
                .collect();
            let joined = threads.into_iter().enumerate().map(|(rank, thread)| {
                let panicked = format!("rank {rank} of {ranks} ended: a panic");
                thread.join().unwrap_or(Err(Error::Rank(panicked)))
            });
            joined.collect()
        });
        let of_its_own =
            |outcome: &Result<R>| matches!(outcome, Err(error) if !matches!(error, Error::Rank(_)));
        if let Some(rank) = outcomes.iter().position(of_its_own)
            && let Err(error) = &outcomes[rank]
        {
            return Err(Error::Rank(format!("rank {rank} of {ranks}: {error}")));
        }
        match outcomes.iter().position(Result::is_err) {
            Some(rank) => outcomes.swap_remove(rank),
            None => outcomes.swap_remove(0),
        }
    }
}

impl<T: Trains> Ranks<T> {
    /// The mean loss of the earliest batch that was not asked for, like [`Training::loss`]. Every rank waits for its own: a GPU that failed
    /// in the meantime would be noticed by nobody else.
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn loss(&mut self) -> Result<f32> {
        self.each(|_, trainer, _| trainer.training_mut().loss())
    }

    /// Restores all ranks, like [`Training::restore`].
    ///
    /// # Errors
    /// When a device fails.
    pub fn restore(&mut self, values: &[f32], moments: &crate::Moments) -> Result<()> {
        self.each(|_, trainer, _| trainer.training_mut().restore(values, moments))
    }
}

impl Ranks<MaeTrainer> {
    /// Takes a set for each rank that later batches are of, like [`MaeTrainer::hold`].
    pub fn hold(&mut self, sets: Vec<HeldImages>) {
        let trainers = self.trainers.iter_mut().zip(sets);
        trainers.for_each(|(trainer, set)| trainer.hold(Some(set)));
    }

    /// Makes room on each rank for its part of a batch, like [`MaeTrainer::reserve`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn reserve(&mut self, images: usize, visible: usize) -> Result<()> {
        let ranks = self.ranks.len();
        self.each(|rank, trainer, _| trainer.reserve(share(images, ranks, rank).len(), visible))
    }

    /// Processes a batch, like [`MaeTrainer::step`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn step(&mut self, batch: &MaskedImages<'_>, place: Place) -> Result<()> {
        let (images, ranks) = (batch.images.len(), self.ranks.len());
        let patches = batch.orders.len() / images.max(1);
        self.each(|rank, trainer, communicator| {
            let part = share(images, ranks, rank);
            let orders = &batch.orders[part.start * patches..part.end * patches];
            let part = MaskedImages { images: batch.images.part(part), orders, ..*batch };
            trainer.step_part(&part, images, place, communicator)
        })
    }
}

impl Ranks<VitTrainer> {
    /// Takes a set for each rank that later batches are of, like [`VitTrainer::hold`].
    ///
    /// # Errors
    /// When a device fails.
    pub fn hold(&mut self, sets: Vec<HeldImages>, table: &[f32]) -> Result<()> {
        let mut trainers = self.trainers.iter_mut().zip(sets);
        trainers.try_for_each(|(trainer, set)| trainer.hold(Some(set), table))
    }

    /// Makes room on each rank for its part of a batch, like [`VitTrainer::reserve`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn reserve(&mut self, images: usize, dropping: bool) -> Result<()> {
        let ranks = self.ranks.len();
        self.each(|rank, trainer, _| trainer.reserve(share(images, ranks, rank).len(), dropping))
    }

    /// Processes a batch, like [`VitTrainer::step`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn step(&mut self, batch: &LabelledImages<'_>, images: usize, place: Place) -> Result<()> {
        let ranks = self.ranks.len();
        self.each(|rank, trainer, communicator| {
            trainer.step_part(batch, share(images, ranks, rank), images, place, communicator)
        })
    }
}
