//! How devices that share a batch add up their gradients.
//!
//! A rank is one device of a run: it has the whole model and a part of each batch. Its gradients are its part of the batch's; their sum
//! over all ranks is the batch's, the same bits on every rank.
//!
//! | file | adds up |
//! |---|---|
//! | `nccl` | from GPU to GPU, by NVIDIA's library |
//! | `threads` | by way of the host's memory, on any devices |
//!
//! The ranks may be on several [`Machines`]. Those of a machine are threads of one process.

pub(crate) mod nccl;
mod threads;

use std::sync::Arc;

pub(crate) use self::threads::ThreadRank;
use crate::{
    Error, Result,
    buckets::PART,
    gpu::{Address, Gpu},
};

/// The ranks of a run, seen from one of them.
pub(crate) trait Communicator: Send + Sync {
    /// Adds up numbers in single precision over all ranks, in their places, behind the GPU's work so far. `parts`: where they are, and how
    /// many. Work that is issued later may run beside the sum until [`settle`](Self::settle), and leaves these numbers alone.
    ///
    /// # Errors
    /// [`Error::Rank`] when another rank has ended.
    fn sum(&self, gpu: &Arc<dyn Gpu>, parts: &[(Address, usize)]) -> Result<()>;

    /// Lets later work wait for all sums.
    ///
    /// # Errors
    /// When the GPU fails.
    fn settle(&self, gpu: &Arc<dyn Gpu>) -> Result<()>;

    /// Tells the other ranks that this one has ended: they would wait for it for ever.
    fn end(&self, why: &str);

    /// Numbers of a gradient from which on a part of it is worth a sum of its own.
    fn part(&self) -> usize {
        PART
    }

    /// Whether sums can be recorded.
    fn is_recordable(&self) -> bool {
        false
    }
}

/// The machines of a run, seen from one of them.
pub trait Machines: std::fmt::Debug + Send + Sync {
    /// Which of them this is, counted from 0, and how many there are. All have the same number of devices.
    fn place(&self) -> (usize, usize);

    /// What the first machine has to tell: its own bytes, on all machines.
    ///
    /// # Errors
    /// Which machine has ended, and why.
    fn tell(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String>;

    /// Replaces numbers by their sum over all machines, the same bits on each.
    ///
    /// # Errors
    /// Which machine has ended, and why.
    fn sum(&self, values: &mut [f32]) -> Result<(), String>;

    /// Calls `then` with the reason as soon as another machine has ended.
    fn watch(&self, then: Box<dyn Fn(&str) + Send>);

    /// Tells the other machines that this one has ended.
    fn end(&self, why: &str);
}

/// The only rank.
pub(crate) struct Alone;

impl Communicator for Alone {
    fn sum(&self, _: &Arc<dyn Gpu>, _: &[(Address, usize)]) -> Result<()> {
        Ok(())
    }

    fn settle(&self, _: &Arc<dyn Gpu>) -> Result<()> {
        Ok(())
    }

    fn end(&self, _: &str) {}

    fn part(&self) -> usize {
        usize::MAX
    }

    fn is_recordable(&self) -> bool {
        true
    }
}

/// Which rank of a group ended first, and why, in a sentence.
#[derive(Default)]
struct Ended(Option<String>);

impl Ended {
    /// The first to end is the one that is named.
    fn set(&mut self, words: String) {
        self.0.get_or_insert(words);
    }

    /// # Errors
    /// When one of the ranks has ended.
    fn check(&self) -> Result<()> {
        match &self.0 {
            Some(words) => Err(Error::Rank(words.clone())),
            None => Ok(()),
        }
    }
}

/// `rank 1 of 3 ended: its memory is full`.
fn ended(rank: usize, ranks: usize, why: &str) -> String {
    format!("rank {rank} of {ranks} ended: {why}")
}
