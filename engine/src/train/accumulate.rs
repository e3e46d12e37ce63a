//! Gradient accumulation: several batches make one step.

use super::batches::Batch;

/// The mean of the gradients of several batches of an epoch. Batches left over at an epoch's end are dropped, as in MAE.
#[derive(Debug)]
pub struct Accumulated {
    every: usize,
    sum: Vec<f32>,
}

impl Accumulated {
    /// For steps of so many batches.
    pub fn new(every: u32) -> Self {
        Self { every: every.max(1) as usize, sum: Vec::new() }
    }

    /// Whether each batch is a step.
    pub fn is_none(&self) -> bool {
        self.every == 1
    }

    /// Epochs done before the first batch of this batch's step: what its learning rate goes by.
    pub fn epochs_done(&self, batch: &Batch) -> f64 {
        let first = batch.step - batch.step % self.every;
        f64::from(batch.epoch) + first as f64 / batch.steps_per_epoch as f64
    }

    /// Takes a batch's gradients in. When this batch completes a step, leaves the step's gradients there and says so.
    pub fn completes(&mut self, batch: &Batch, gradients: &mut [f32]) -> bool {
        if self.every == 1 {
            return true;
        }
        let share = 1.0 / self.every as f32;
        let place = batch.step % self.every;
        if place == 0 {
            self.sum.clear();
            self.sum.resize(gradients.len(), 0.0);
        }
        for (sum, gradient) in self.sum.iter_mut().zip(gradients.iter()) {
            *sum += share * gradient;
        }
        let complete = place + 1 == self.every;
        if complete {
            gradients.copy_from_slice(&self.sum);
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: u32, step: usize) -> Batch {
        Batch { epoch, step, steps_per_epoch: 5, samples: vec![0] }
    }

    /// What the step of a batch with this gradient goes by.
    fn step(sum: &mut Accumulated, batch: &Batch, gradient: f32) -> Option<f32> {
        let mut gradients = [gradient];
        sum.completes(batch, &mut gradients).then_some(gradients[0])
    }

    #[test]
    fn two_batches_make_a_step_and_the_fifth_is_dropped() {
        let sum = &mut Accumulated::new(2);
        assert_eq!(step(sum, &batch(0, 0), 1.0), None);
        assert_eq!(step(sum, &batch(0, 1), 5.0), Some(3.0));
        assert_eq!(step(sum, &batch(0, 4), 100.0), None);
        assert_eq!(step(sum, &batch(1, 0), 2.0), None);
        assert_eq!(step(sum, &batch(1, 1), 0.0), Some(1.0));
        assert!((sum.epochs_done(&batch(1, 3)) - 1.4).abs() < 1e-12, "the rate of its first batch");
    }

    #[test]
    fn one_batch_makes_a_step_as_it_is() {
        let sum = &mut Accumulated::new(1);
        assert_eq!(step(sum, &batch(0, 3), 0.1), Some(0.1));
        assert!((sum.epochs_done(&batch(0, 3)) - 0.6).abs() < 1e-12);
    }
}
