//! Gradients of a batch on all threads.
//!
//! A batch comes in shards. A thread takes one shard after the other and goes forward and backward through the same
//! parameters; the shards' gradients are summed in the shards' order, whoever finishes first. So the result does not
//! depend on the number of threads.

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use candle_core::{Result, Tensor};

use crate::{
    nn::{Params, simd::vectorized},
    optim::Gradients,
};

/// Most shards of a batch. More threads than that do not make a step faster.
pub const SHARDS: usize = 8;

/// The shards of `n` samples: as equal as possible, at most [`SHARDS`], none empty.
pub fn shards(n: usize) -> Vec<Range<usize>> {
    let count = SHARDS.min(n);
    (0..count).map(|i| i * n / count..(i + 1) * n / count).collect()
}

/// Mean loss of a batch and its gradients. `loss(shard)` gives the mean loss over a shard, `weights[shard]` its share of the
/// batch.
///
/// # Errors
/// When `loss` fails, or a parameter gets no gradient.
pub fn gradients(
    params: &Params,
    weights: &[f64],
    threads: usize,
    loss: impl Fn(usize) -> Result<Tensor> + Sync,
) -> Result<(f64, Gradients)> {
    let sum = Mutex::new(Sum::default());
    in_parallel(weights.len(), threads, |shard| {
        let loss = (loss(shard)? * weights[shard])?;
        let mut store = loss.backward()?;
        let gradients = params.trainable().map(|param| match store.remove(param.tensor()) {
            Some(gradient) => gradient.contiguous(),
            None => candle_core::bail!("no gradient reaches {}", param.name),
        });
        let gradients = gradients.collect::<Result<Vec<_>>>()?;
        let loss = f64::from(loss.to_scalar::<f32>()?);
        sum.lock().unwrap_or_else(PoisonError::into_inner).add(shard, loss, gradients)
    })?;
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((sum.loss, sum.total))
}

/// The sum of shards in their order; those that come early wait.
#[derive(Default)]
struct Sum {
    next: usize,
    waiting: BTreeMap<usize, (f64, Vec<Tensor>)>,
    loss: f64,
    total: Gradients,
}

impl Sum {
    fn add(&mut self, shard: usize, loss: f64, gradients: Vec<Tensor>) -> Result<()> {
        self.waiting.insert(shard, (loss, gradients));
        while let Some((loss, gradients)) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.loss += loss;
            if self.total.is_empty() {
                let values = gradients.iter().map(|g| g.flatten_all()?.to_vec1());
                self.total = values.collect::<Result<_>>()?;
            } else {
                for (total, gradient) in self.total.iter_mut().zip(&gradients) {
                    crate::nn::with_slice(gradient, |gradient| add(total, gradient))?;
                }
            }
        }
        Ok(())
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
    use candle_core::{DType, Device};

    use super::*;
    use crate::nn::Init;

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

    #[test]
    fn the_sum_is_that_of_the_batch_on_any_number_of_threads() {
        let mut params = Params::new(1, DType::F32);
        let weight = params.add("w", 2, Init::One).unwrap();
        // Mean over shards of 1, 1 and 2 samples of x . w
        let inputs = [[1.0f32, 0.0], [0.0, 8.0], [4.0, 2.0]];
        let loss = |shard: usize| (Tensor::new(&inputs[shard], &Device::Cpu)? * &weight)?.sum_all();
        for threads in [1, 2, 5] {
            let (loss, total) = gradients(&params, &[0.25, 0.25, 0.5], threads, loss).unwrap();
            assert_eq!((loss, total), (5.25, vec![vec![2.25, 3.0]]));
        }
    }

    #[test]
    fn a_parameter_without_gradient_is_named() {
        let mut params = Params::new(1, DType::F32);
        let used = params.add("used", 1, Init::One).unwrap();
        params.add("forgotten", 1, Init::One).unwrap();
        let error = gradients(&params, &[1.0], 1, |_| used.sqr()?.sum_all()).unwrap_err();
        assert!(error.to_string().contains("forgotten"), "{error}");
    }
}
