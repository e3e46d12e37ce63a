//! Gradient accumulation: several batches make one step.

use super::batches::Batch;
use crate::optim::Gradients;

/// The mean of the gradients of several batches of an epoch. Batches left over at an epoch's end are dropped, as in MAE.
#[derive(Debug)]
pub struct Accumulated {
    every: usize,
    sum: Gradients,
}

impl Accumulated {
    /// For steps of so many batches.
    pub fn new(every: u32) -> Self {
        Self { every: every.max(1) as usize, sum: Vec::new() }
    }

    /// Epochs done before the first batch of this batch's step: what its learning rate goes by.
    pub fn epochs_done(&self, batch: &Batch) -> f64 {
        let first = batch.step - batch.step % self.every;
        f64::from(batch.epoch) + first as f64 / batch.steps_per_epoch as f64
    }

    /// Takes a batch's gradients in. Returns those of the step when this batch completes it.
    pub fn add(&mut self, batch: &Batch, gradients: Gradients) -> Option<Gradients> {
        if self.every == 1 {
            return Some(gradients);
        }
        let share = 1.0 / self.every as f32;
        let place = batch.step % self.every;
        if place == 0 {
            self.sum = gradients;
            self.sum.iter_mut().flatten().for_each(|sum| *sum *= share);
        } else {
            for (sum, gradient) in self.sum.iter_mut().flatten().zip(gradients.iter().flatten()) {
                *sum += share * gradient;
            }
        }
        (place + 1 == self.every).then(|| std::mem::take(&mut self.sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: u32, step: usize) -> Batch {
        Batch { epoch, step, steps_per_epoch: 5, samples: vec![0] }
    }

    #[test]
    fn two_batches_make_a_step_and_the_fifth_is_dropped() {
        let mut sum = Accumulated::new(2);
        assert_eq!(sum.add(&batch(0, 0), vec![vec![1.0]]), None);
        assert_eq!(sum.add(&batch(0, 1), vec![vec![5.0]]), Some(vec![vec![3.0]]));
        assert_eq!(sum.add(&batch(0, 4), vec![vec![100.0]]), None);
        assert_eq!(sum.add(&batch(1, 0), vec![vec![2.0]]), None);
        assert_eq!(sum.add(&batch(1, 1), vec![vec![0.0]]), Some(vec![vec![1.0]]));
        assert!((sum.epochs_done(&batch(1, 3)) - 1.4).abs() < 1e-12, "the rate of its first batch");
    }

    #[test]
    fn one_batch_makes_a_step_as_it_is() {
        let mut sum = Accumulated::new(1);
        assert_eq!(sum.add(&batch(0, 3), vec![vec![0.1]]), Some(vec![vec![0.1]]));
        assert!((sum.epochs_done(&batch(0, 3)) - 0.6).abs() < 1e-12);
    }
}
