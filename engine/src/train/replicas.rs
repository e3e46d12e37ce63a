//! Gradients of a batch.
//!
//! A batch comes in shards. Each replica takes some of them, in their order, and computes the gradient of its share in memory of
//! its own; then the replicas' gradients are summed, in the replicas' order, and the optimiser steps the flat parameters once.
//!
//! A processor is one replica: all its threads work on the same shards and one gradient, so its result does not depend on
//! the number of threads ([`nn`](crate::nn)). Several devices would be as many replicas, each with a copy of the parameters,
//! and sum over their connection. A batch on more replicas gives the same gradient up to rounding, and the same bits for the
//! same number of them.

use std::{
    ops::Range,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use kernel::{Kernels, vectorized};
use rayon::prelude::*;

use crate::nn::Gradients;

/// Most shards of a batch. More threads than that do not make a step faster.
pub const SHARDS: usize = 8;

/// The shards of `n` samples: as equal as possible, at most [`SHARDS`], none empty.
pub fn shards(n: usize) -> Vec<Range<usize>> {
    let count = SHARDS.min(n);
    (0..count).map(|i| i * n / count..(i + 1) * n / count).collect()
}

/// What computes the gradients of some shards.
pub trait Replica: Send {
    /// The model.
    type Model: Sync;
    /// A shard of a batch, ready for the model.
    type Shard: Sync;

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

/// Replicas that share batches.
#[derive(Debug)]
pub struct Replicas<R> {
    /// Each with the loss and the gradient of its share. A replica alone has no gradient of its own.
    replicas: Vec<(R, f64, Vec<f32>)>,
}

impl<R: Replica> Replicas<R> {
    /// These replicas, of a model of so many parameters. Panics when there are none.
    pub fn new(replicas: Vec<R>, parameters: usize) -> Self {
        assert!(!replicas.is_empty(), "someone computes");
        let own = if replicas.len() > 1 { parameters } else { 0 };
        Self { replicas: replicas.into_iter().map(|r| (r, 0.0, vec![0.0; own])).collect() }
    }

    /// The loss of a batch and its gradient, which `gradients` takes. Works on all threads of the rayon pool that it is called in.
    pub fn gradients(
        &mut self,
        model: &R::Model,
        shards: &[R::Shard],
        weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        if let [(replica, ..)] = &mut self.replicas[..] {
            return replica.gradients(model, shards, weights, gradients);
        }
        let count = self.replicas.len();
        let share = |i: usize| i * shards.len() / count..(i + 1) * shards.len() / count;
        let all = self.replicas.par_iter_mut().enumerate();
        all.for_each(|(i, (replica, loss, own))| {
            *loss = replica.gradients(model, &shards[share(i)], &weights[share(i)], own);
        });
        let total = self.all_reduce();
        gradients.part(0..total.len(), &mut |part| part.copy_from_slice(total));
        self.replicas.iter().map(|(_, loss, _)| loss).sum()
    }

    /// Sums all replicas' gradients into the first one's.
    fn all_reduce(&mut self) -> &[f32] {
        let path = Kernels::single().path;
        let Some(((_, _, total), others)) = self.replicas.split_first_mut() else { return &[] };
        for (_, _, gradients) in others {
            add(path, total, gradients);
        }
        total
    }

    /// A replica.
    pub fn replica(&self, i: usize) -> &R {
        &self.replicas[i].0
    }
}

vectorized! {
    fn add<'a>(total: &'a mut [f32], values: &'a [f32]) {
        for (total, value) in total.iter_mut().zip(values) {
            *total += value;
        }
    }
}

/// `work(0)` to `work(n - 1)` on up to `threads` threads; the results in order.
///
/// # Errors
/// The first error by order. A panic in `work` goes on in the caller.
pub fn in_parallel<T: Send, E: Send>(
    n: usize,
    threads: usize,
    work: impl Fn(usize) -> std::result::Result<T, E> + Sync,
) -> std::result::Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return done;
            }
            done.push((i, work(i)));
        }
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(n)).map(|_| scope.spawn(take)).collect();
        let mut results = take();
        for other in others {
            results.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|&(i, _)| i);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_sample_once() {
        for n in [1, 7, 8, 9, 128, 131] {
            let shards = shards(n);
            assert!(shards.len() <= SHARDS && shards.iter().all(|shard| !shard.is_empty()));
            assert_eq!(
                shards.into_iter().flatten().collect::<Vec<_>>(),
                (0..n).collect::<Vec<_>>()
            );
        }
    }

    /// A model without parameters of its own: the loss of a shard `x` is `x . w` for `w = (1, 1)`.
    struct Plain;

    impl Replica for Plain {
        type Model = ();
        type Shard = [f32; 2];

        fn gradients(
            &mut self,
            (): &(),
            shards: &[[f32; 2]],
            weights: &[f64],
            gradients: &mut dyn Gradients,
        ) -> f64 {
            let (mut loss, mut sum) = (0.0, [0.0; 2]);
            for (shard, &weight) in shards.iter().zip(weights) {
                for (gradient, value) in sum.iter_mut().zip(shard) {
                    *gradient += value * weight as f32;
                    loss += f64::from(*value) * weight;
                }
            }
            gradients.part(0..2, &mut |part| part.copy_from_slice(&sum));
            loss
        }
    }

    #[test]
    fn the_sum_is_that_of_the_batch_on_any_number_of_replicas() {
        let (shards, weights) = ([[1.0, 0.0], [0.0, 8.0], [4.0, 2.0]], [0.25, 0.25, 0.5]);
        for count in 1..5 {
            let mut replicas = Replicas::new((0..count).map(|_| Plain).collect(), 2);
            let mut total = vec![0.0; 2];
            let loss = replicas.gradients(&(), &shards, &weights, &mut total);
            assert_eq!((loss, &total[..]), (5.25, &[2.25, 3.0][..]), "{count} replicas");
        }
    }
}
