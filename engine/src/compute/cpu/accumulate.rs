//! Gradient accumulation: several batches make one step.

/// The mean of the gradients of several batches. Starting a new step discards an unfinished one: the batches left over at the end
/// of an epoch, as in MAE.
#[derive(Debug)]
pub struct Accumulated {
    every: usize,
    sum: Vec<f32>,
}

impl Accumulated {
    /// For steps of `every` batches each.
    pub fn new(every: u32) -> Self {
        Self { every: every.max(1) as usize, sum: Vec::new() }
    }

    /// Whether each batch is a step.
    pub fn is_none(&self) -> bool {
        self.every == 1
    }

    /// Adds the gradients of the batch at this place in a step, counted from 0. If the batch completes the step, replaces `gradients`
    /// with the step's and returns true.
    pub fn completes(&mut self, place: usize, gradients: &mut [f32]) -> bool {
        if self.every == 1 {
            return true;
        }
        let share = 1.0 / self.every as f32;
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

    /// The gradient of the step that a batch with this gradient completes, if it does.
    fn step(sum: &mut Accumulated, place: usize, gradient: f32) -> Option<f32> {
        let mut gradients = [gradient];
        sum.completes(place, &mut gradients).then_some(gradients[0])
    }

    #[test]
    fn two_batches_make_a_step_and_what_is_left_over_is_dropped() {
        let sum = &mut Accumulated::new(2);
        assert_eq!(step(sum, 0, 1.0), None);
        assert_eq!(step(sum, 1, 5.0), Some(3.0));
        assert_eq!(step(sum, 0, 100.0), None);
        assert_eq!(step(sum, 0, 2.0), None, "the next epoch begins a new step");
        assert_eq!(step(sum, 1, 0.0), Some(1.0));
    }

    #[test]
    fn one_batch_makes_a_step_as_it_is() {
        let sum = &mut Accumulated::new(1);
        assert_eq!(step(sum, 0, 0.1), Some(0.1));
    }
}
