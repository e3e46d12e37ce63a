//! Ranks that are threads and add up by way of the host's memory.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Communicator, Ended, Machines, ended};
use crate::{
    Result,
    gpu::{Address, Gpu},
};

/// A rank of a group of threads, which add up by way of the host's memory. Slow, but on any devices, also on one for all.
pub(crate) struct ThreadRank {
    rank: usize,
    group: Arc<Group>,
    part: usize,
}

struct Group {
    state: Mutex<State>,
    changed: Condvar,
    ranks: usize,
    /// The machines whose sums are added to those of this one.
    machines: Option<Arc<dyn Machines>>,
}

#[derive(Default)]
struct State {
    /// What each rank brought to the sum in progress.
    brought: Vec<Option<Vec<f32>>>,
    /// The sum, and how many ranks still have to take it.
    sum: Option<(Arc<Vec<f32>>, usize)>,
    ended: Ended,
}

impl ThreadRank {
    /// All ranks of a group on this machine, which add up parts of at least `part` numbers with those of the other machines.
    pub fn group(ranks: usize, part: usize, machines: Option<Arc<dyn Machines>>) -> Vec<Self> {
        let state = State { brought: vec![None; ranks], ..State::default() };
        let group = Group { state: Mutex::new(state), changed: Condvar::new(), ranks, machines };
        let group = Arc::new(group);
        (0..ranks).map(|rank| Self { rank, group: Arc::clone(&group), part }).collect()
    }

    /// The sum of what all ranks bring, in the order of the ranks.
    fn exchange(&self, values: Vec<f32>) -> Result<Arc<Vec<f32>>> {
        let Group { state, changed, machines, ranks } = &*self.group;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        // The sum before has to be taken by all first.
        while state.sum.is_some() {
            state.ended.check()?;
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
            // The other ranks of this machine wait until the sum is there, whoever holds the lock.
            if let Some(machines) = machines
                && let Err(words) = machines.sum(&mut sum)
            {
                state.ended.set(words);
                changed.notify_all();
                return state.ended.check().map(|()| unreachable!("it has ended"));
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
            state.ended.check()?;
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Communicator for ThreadRank {
    fn sum(&self, gpu: &Arc<dyn Gpu>, parts: &[(Address, usize)]) -> Result<()> {
        let mut values = Vec::with_capacity(parts.iter().map(|(_, count)| count).sum());
        for &(at, count) in parts {
            let mut bytes = vec![0; 4 * count];
            gpu.read(at, &mut bytes)?;
            values.extend(bytes.as_chunks::<4>().0.iter().map(|it| f32::from_ne_bytes(*it)));
        }
        let sum = self.exchange(values)?;
        let mut rest = &sum[..];
        for &(at, count) in parts {
            let (part, behind) = rest.split_at(count);
            let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_ne_bytes()).collect();
            gpu.write(at, &[&bytes])?;
            rest = behind;
        }
        Ok(())
    }

    /// They are done when [`sum`](Self::sum) returns.
    fn settle(&self, _: &Arc<dyn Gpu>) -> Result<()> {
        Ok(())
    }

    fn part(&self) -> usize {
        self.part
    }

    fn end(&self, why: &str) {
        let Group { state, changed, ranks, machines } = &*self.group;
        state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended
            .set(ended(self.rank, *ranks, why));
        changed.notify_all();
        if let Some(machines) = machines {
            machines.end(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buckets::PART;

    #[test]
    fn all_ranks_get_the_sum_time_after_time() {
        let ranks = ThreadRank::group(3, PART, None);
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
        let ranks = ThreadRank::group(3, PART, None);
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
