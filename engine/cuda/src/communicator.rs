//! How devices that share a batch add up their gradients.
//!
//! A rank is one device of a run: it has the whole model and a part of each batch. Its gradients are its part of the batch's; their sum
//! over all ranks is the batch's, the same bits on every rank.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::{
    Error, Result,
    gpu::{Address, Gpu},
};

/// The ranks of a run, seen from one of them.
pub(crate) trait Communicator: Send + Sync {
    /// Adds up numbers in single precision over all ranks, in their place, behind the GPU's work so far.
    ///
    /// # Errors
    /// [`Error::Rank`] when another rank has ended.
    fn sum(&self, gpu: &Arc<dyn Gpu>, at: Address, count: usize) -> Result<()>;

    /// Whether [`sum`](Self::sum) can be recorded.
    fn is_recordable(&self) -> bool;
}

/// The only rank.
pub(crate) struct Alone;

impl Communicator for Alone {
    fn sum(&self, _: &Arc<dyn Gpu>, _: Address, _: usize) -> Result<()> {
        Ok(())
    }

    fn is_recordable(&self) -> bool {
        true
    }
}

/// A rank of a group of threads, which add up by way of the host's memory. Slow, but on any devices, also on one for all.
pub(crate) struct ThreadRank {
    rank: usize,
    group: Arc<Group>,
}

struct Group {
    state: Mutex<State>,
    changed: Condvar,
    ranks: usize,
}

#[derive(Default)]
struct State {
    /// What each rank brought to the sum in progress.
    brought: Vec<Option<Vec<f32>>>,
    /// The sum, and how many ranks still have to take it.
    sum: Option<(Arc<Vec<f32>>, usize)>,
    /// Which rank ended, and why.
    ended: Option<(usize, String)>,
}

impl ThreadRank {
    /// All ranks of a group.
    pub fn group(ranks: usize) -> Vec<Self> {
        let state = State { brought: vec![None; ranks], ..State::default() };
        let group = Group { state: Mutex::new(state), changed: Condvar::new(), ranks };
        let group = Arc::new(group);
        (0..ranks).map(|rank| Self { rank, group: Arc::clone(&group) }).collect()
    }

    /// Tells the others that this rank has ended: they would wait for it for ever.
    pub fn end(&self, why: &str) {
        let mut state = self.group.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended.get_or_insert_with(|| (self.rank, why.to_owned()));
        self.group.changed.notify_all();
    }

    /// The sum of what all ranks bring, in the order of the ranks.
    fn exchange(&self, values: Vec<f32>) -> Result<Arc<Vec<f32>>> {
        let Group { state, changed, ranks } = &*self.group;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = |state: &State| match &state.ended {
            Some((rank, why)) => Err(Error::Rank(format!("rank {rank} of {ranks} ended: {why}"))),
            None => Ok(()),
        };
        // The sum before has to be taken by all first.
        while state.sum.is_some() {
            ended(&state)?;
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.brought[self.rank] = Some(values);
        if state.brought.iter().all(Option::is_some) {
            let mut all =
                state.brought.iter_mut().map(|values| values.take().expect("all brought"));
            let mut sum = all.next().expect("a rank");
            for values in all {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            state.sum = Some((Arc::new(sum), *ranks));
            changed.notify_all();
        }
        loop {
            if let Some((sum, left)) = &mut state.sum {
                let sum = Arc::clone(sum);
                *left -= 1;
                if *left == 0 {
                    state.sum = None;
                    changed.notify_all();
                }
                return Ok(sum);
            }
            ended(&state)?;
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Communicator for ThreadRank {
    fn sum(&self, gpu: &Arc<dyn Gpu>, at: Address, count: usize) -> Result<()> {
        let mut bytes = vec![0; 4 * count];
        gpu.read(at, &mut bytes)?;
        let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
        let sum = self.exchange(values.collect())?;
        let bytes: Vec<u8> = sum.iter().flat_map(|value| value.to_ne_bytes()).collect();
        gpu.write(at, &[&bytes])
    }

    fn is_recordable(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ranks_get_the_sum_time_after_time() {
        let ranks = ThreadRank::group(3);
        std::thread::scope(|scope| {
            for rank in &ranks {
                scope.spawn(|| {
                    for round in 0..50 {
                        let sum = rank.exchange(vec![rank.rank as f32, round as f32]).unwrap();
                        assert_eq!(*sum, [3.0, 3.0 * round as f32]);
                    }
                });
            }
        });
    }

    #[test]
    fn nobody_waits_for_a_rank_that_ended() {
        let ranks = ThreadRank::group(3);
        std::thread::scope(|scope| {
            let waiting = [0, 2].map(|rank| {
                let rank = &ranks[rank];
                scope.spawn(|| rank.exchange(vec![1.0]).unwrap_err().to_string())
            });
            ranks[1].end("its memory is full");
            for told in waiting {
                assert_eq!(told.join().unwrap(), "rank 1 of 3 ended: its memory is full");
            }
        });
    }
}
