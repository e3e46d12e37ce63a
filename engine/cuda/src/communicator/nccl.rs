//! Ranks that add up by NCCL, from GPU to GPU.
//!
//! The binding is our own: cudarc asks the loader for `libnccl.so` and others, but not for `libnccl.so.2`, which is what packages
//! install, and it panics where none is there.
//!
//! Communicators are non-blocking (NCCL 2.14 and later): no call waits for another rank while it holds the lock of its communicator, so
//! whoever learns that a rank has ended can abort all of them, from any thread.

mod library;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::library::{IN_PROGRESS, Id, Library, SUCCESS};
use super::{Communicator, Ended, Machines, ended};
use crate::{
    Error, Result,
    gpu::{Address, Gpu},
    libraries,
};

/// NCCL, ready to be called.
#[derive(Clone)]
pub(crate) struct Nccl {
    library: Arc<Library>,
    version: String,
}

/// A rank of a group of GPUs.
pub(crate) struct NcclRank {
    rank: usize,
    group: Arc<Group>,
    part: usize,
}

struct Group {
    nccl: Nccl,
    ended: Mutex<Ended>,
    /// A communicator for each rank of this machine, by its address; none once it was aborted.
    communicators: Vec<Mutex<Option<usize>>>,
    machines: Option<Arc<dyn Machines>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nccl {
    /// The library in this file.
    ///
    /// # Errors
    /// A sentence on why it is of no use here.
    pub fn open(file: &Path) -> Result<Self, String> {
        let library = Library::of(&*libraries::open(file)?)?;
        let version = library.version().map_err(|error| error.to_string())?;
        // 21403 and 22809 are 2.14.3 and 2.28.9.
        let version = format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100);
        Ok(Self { library: Arc::new(library), version })
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Makes these GPUs the ranks of a group, in their order and behind those of earlier machines, which add up parts of at least `part`
    /// numbers. No GPU may be in it twice.
    ///
    /// # Errors
    /// When one of them cannot join, or another machine has ended.
    pub fn join(
        &self,
        gpus: &[Arc<dyn Gpu>],
        part: usize,
        machines: Option<Arc<dyn Machines>>,
    ) -> Result<Vec<NcclRank>> {
        let (machine, count) = machines.as_ref().map_or((0, 1), |machines| machines.place());
        let mut id = if machine == 0 { self.library.id()?.to_bytes() } else { Vec::new() };
        if let Some(machines) = &machines {
            id = machines.tell(id).map_err(Error::Rank)?;
        }
        let wrong = || Error::Rank("the first machine did not tell NCCL's number".into());
        let id = Id::of(&id).ok_or_else(wrong)?;
        let group = Arc::new(Group {
            nccl: self.clone(),
            ended: Mutex::default(),
            communicators: gpus.iter().map(|_| Mutex::default()).collect(),
            machines,
        });
        if let Some(machines) = &group.machines {
            let group = Arc::downgrade(&group);
            machines.watch(Box::new(move |why| {
                if let Some(group) = group.upgrade() {
                    lock(&group.ended).set(why.to_owned());
                    group.abort();
                }
            }));
        }
        let (first, total) = (machine * gpus.len(), count * gpus.len());
        let rank = |rank| NcclRank { rank, group: Arc::clone(&group), part };
        let ranks: Vec<_> = (0..gpus.len()).map(rank).collect();
        // Each waits for all others, so each has a thread.
        std::thread::scope(|scope| {
            let joining = |(rank, gpu): (&'_ NcclRank, &'_ Arc<dyn Gpu>)| -> Result<()> {
                gpu.branch()?;
                let (communicator, code) = self.library.begin(id, first + rank.rank, total);
                *lock(rank.communicator()) = communicator;
                rank.wait("a GPU cannot join the others", code)
            };
            let threads = ranks.iter().zip(gpus).map(|pair| {
                scope.spawn(move || {
                    joining(pair).inspect_err(|error| pair.0.end(&error.to_string()))
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
        })?;
        Ok(ranks)
    }
}

impl NcclRank {
    fn communicator(&self) -> &Mutex<Option<usize>> {
        &self.group.communicators[self.rank]
    }

    /// Calls NCCL with this rank's communicator, and waits until NCCL has started what it was asked for.
    fn call(&self, what: &'static str, call: impl FnOnce(&Library, usize) -> i32) -> Result<()> {
        let code = {
            let communicator = lock(self.communicator());
            let Some(communicator) = *communicator else { return self.ended() };
            call(&self.group.nccl.library, communicator)
        };
        self.wait(what, code)
    }

    fn wait(&self, what: &'static str, mut code: i32) -> Result<()> {
        let library = &self.group.nccl.library;
        while code == IN_PROGRESS {
            std::thread::yield_now();
            // Whoever ended before this rank's communicator was there could not abort it.
            lock(&self.group.ended).check()?;
            let communicator = lock(self.communicator());
            let Some(communicator) = *communicator else { return self.ended() };
            code = library.state(communicator);
        }
        if code == SUCCESS {
            return Ok(());
        }
        // A rank that ended is the reason for what the others see.
        lock(&self.group.ended).check()?;
        Err(library.error(what, code))
    }

    /// The error of a communicator that was aborted.
    fn ended(&self) -> Result<()> {
        lock(&self.group.ended).check()?;
        Err(Error::Rank("the GPUs' connection was closed".into()))
    }
}

impl Communicator for NcclRank {
    fn sum(&self, gpu: &Arc<dyn Gpu>, parts: &[(Address, usize)]) -> Result<()> {
        let stream = gpu.branch()?;
        self.call("the GPUs cannot add up", |library, communicator| {
            library.sum(communicator, parts, stream)
        })
    }

    fn settle(&self, gpu: &Arc<dyn Gpu>) -> Result<()> {
        gpu.rejoin()
    }

    fn part(&self) -> usize {
        self.part
    }

    /// What other ranks' GPUs wait for ends, too.
    fn end(&self, why: &str) {
        let ranks = self.group.communicators.len();
        lock(&self.group.ended).set(ended(self.rank, ranks, why));
        self.group.abort();
        if let Some(machines) = &self.group.machines {
            machines.end(why);
        }
    }
}

impl Group {
    fn abort(&self) {
        for communicator in &self.communicators {
            if let Some(communicator) = lock(communicator).take() {
                self.nccl.library.abort(communicator);
            }
        }
    }
}

impl Drop for Group {
    /// No sum is on its way any more; without one, to abort is only to give back.
    fn drop(&mut self) {
        self.abort();
    }
}
