//! One run on several devices: each batch is divided among them, a thread a device.
//!
//! Masks, mixing and the order of images belong to the batch, so they do not depend on the number of devices; a result differs from that
//! of one device by rounding alone. The first rank's model is the run's: after each step all ranks have the same bits.
//!
//! Where several machines take the same steps, the ranks here are those of one of them, and follow those of the machines before it.

#[cfg(test)]
pub(crate) mod tests;

use std::{ops::Range, sync::Arc};

use crate::{
    Device, Error, HeldImages, LabelledImages, MaeTrainer, MaskedImages, Place, Result, Training,
    VitTrainer,
    buckets::PART,
    communicator::{Alone, Communicator, Machines, ThreadRank, nccl::Nccl},
    libraries::{Libraries, Library},
};

/// How the devices of a run add up their gradients.
#[derive(Clone)]
pub struct Group {
    way: Way,
    machines: Option<Arc<dyn Machines>>,
}

#[derive(Clone)]
enum Way {
    /// There is one device.
    Alone,
    /// By NCCL.
    Nccl(Nccl),
    /// By way of the host's memory, for this reason.
    Host(String),
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.bits())
    }
}

impl Group {
    /// The fastest way for these devices, of which each of the `machines` has as many.
    pub fn of(devices: &[Device], machines: Option<Arc<dyn Machines>>) -> Self {
        Self { way: Self::way(devices, machines.is_some()), machines }
    }

    fn way(devices: &[Device], beside_others: bool) -> Way {
        if devices.len() < 2 && !beside_others {
            return Way::Alone;
        }
        let Some(mut ordinals) =
            devices.iter().map(|device| device.gpu().ordinal()).collect::<Option<Vec<_>>>()
        else {
            return Way::Host("an emulated GPU has no other way".into());
        };
        ordinals.sort_unstable();
        ordinals.dedup();
        if ordinals.len() < devices.len() {
            return Way::Host("NCCL takes a GPU once, and here several ranks share one".into());
        }
        let open = || -> Result<Nccl, String> {
            let found = Libraries::open().get(Library::Nccl).map_err(|error| error.to_string())?;
            Nccl::open(&found.file).map_err(|why| format!("{}: {why}", found.file.display()))
        };
        open().map_or_else(Way::Host, Way::Nccl)
    }

    /// What the bits of a sum depend on; nothing where there is no sum.
    pub fn bits(&self) -> String {
        let machines = self.machines.as_ref().map(|machines| machines.place().1);
        let over = machines.map_or_else(String::new, |count| format!(" over {count} nodes"));
        match &self.way {
            Way::Alone => String::new(),
            Way::Nccl(nccl) => format!(", added up by NCCL {}{over}", nccl.version()),
            Way::Host(_) => format!(", added up by the host{over}"),
        }
    }

    /// What whoever follows the run should know of it.
    pub fn note(&self) -> Option<String> {
        match &self.way {
            Way::Alone => None,
            Way::Nccl(nccl) => {
                Some(format!("the GPUs add up gradients by NCCL {}", nccl.version()))
            }
            Way::Host(why) => Some(format!(
                "the GPUs add up gradients by way of the host's memory, which is slow: {why}"
            )),
        }
    }

    /// Connects devices.
    fn join(&self, devices: &[Device]) -> Result<Vec<Box<dyn Communicator>>> {
        let machines = self.machines.clone();
        Ok(match &self.way {
            Way::Alone => vec![Box::new(Alone)],
            Way::Host(_) => boxed(ThreadRank::group(devices.len(), PART, machines)),
            Way::Nccl(nccl) => {
                let gpus: Vec<_> = devices.iter().map(|device| Arc::clone(device.gpu())).collect();
                boxed(nccl.join(&gpus, PART, machines)?)
            }
        })
    }

    /// The first rank of these on this machine among all, and how many there are on all machines.
    fn places(&self, devices: usize) -> (usize, usize) {
        let (machine, count) = self.machines.as_ref().map_or((0, 1), |machines| machines.place());
        (machine * devices, count * devices)
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
    communicators: Vec<Box<dyn Communicator>>,
    /// The place of the first of them among those of all machines, and how many these are.
    places: (usize, usize),
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
        Ok(Self {
            trainers,
            communicators: group.join(devices)?,
            places: group.places(devices.len()),
        })
    }

    /// Which of a batch's images the ranks of this machine process.
    pub fn share(&self, images: usize) -> Range<usize> {
        let (first, all) = self.places;
        let last = first + self.communicators.len() - 1;
        share(images, all, first).start..share(images, all, last).end
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
        let ranks = self.communicators.len();
        if ranks == 1 {
            let only = &*self.communicators[0];
            let _watched = Watched(only);
            return work(0, &mut self.trainers[0], only)
                .inspect_err(|error| only.end(&error.to_string()));
        }
        let work = &work;
        let mut outcomes: Vec<Result<R>> = std::thread::scope(|scope| {
            let threads = self.trainers.iter_mut().zip(&self.communicators).enumerate();
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
        let (first, all) = self.places;
        let part = |rank| share(images, all, first + rank).len();
        self.each(|rank, trainer, _| trainer.reserve(part(rank), visible))
    }

    /// Processes a batch, like [`MaeTrainer::step`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn step(&mut self, batch: &MaskedImages<'_>, place: Place) -> Result<()> {
        let (images, (first, all)) = (batch.images.len(), self.places);
        let patches = batch.orders.len() / images.max(1);
        self.each(|rank, trainer, communicator| {
            let part = share(images, all, first + rank);
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
        let (first, all) = self.places;
        let part = |rank| share(images, all, first + rank).len();
        self.each(|rank, trainer, _| trainer.reserve(part(rank), dropping))
    }

    /// Processes a batch, like [`VitTrainer::step`].
    ///
    /// # Errors
    /// When a device fails; it is named.
    pub fn step(&mut self, batch: &LabelledImages<'_>, images: usize, place: Place) -> Result<()> {
        let (first, all) = self.places;
        self.each(|rank, trainer, communicator| {
            let part = share(images, all, first + rank);
            trainer.step_part(batch, part, images, place, communicator)
        })
    }
}
