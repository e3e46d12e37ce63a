//! The training loop.

use std::collections::VecDeque;

use shared::RunKind;

use super::{
    batches::{Batch, Batches},
    report::Reporter,
    schedule::Schedule,
};
use crate::{
    EngineError,
    compute::{DynTrainer, Step},
    stop::Watch as _,
};

/// The course of a training, whatever it trains.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// What is trained, for error messages.
    pub phase: RunKind,
    /// Which samples form which batch.
    pub batches: Batches,
    /// Batches per step.
    pub accumulate: u32,
    /// The learning rate of each step.
    pub schedule: Schedule,
}

impl Course {
    /// The step that a batch belongs to. Its learning rate is that of its first batch.
    pub fn step(&self, batch: &Batch) -> Step {
        let place = batch.step % self.accumulate.max(1) as usize;
        let first = batch.step - place;
        let epochs = f64::from(batch.epoch) + first as f64 / batch.steps_per_epoch as f64;
        Step { place, lr: self.schedule.at(epochs) }
    }

    /// Checks that the loss is finite.
    ///
    /// # Errors
    /// [`EngineError::Diverged`].
    pub fn check(&self, batch: &Batch, loss: f64, lr: f64) -> Result<(), EngineError> {
        let (phase, epoch) = (self.phase, batch.epoch + 1);
        if loss.is_finite() {
            Ok(())
        } else {
            Err(EngineError::Diverged { phase, loss, epoch, lr })
        }
    }
}

/// Trains after the first `done` epochs. `make` prepares the batches on a separate thread, one ahead of the trainer; `epoch_end` is
/// called with the epochs done.
///
/// # Errors
/// When the loss is no longer finite; when an image cannot be read; when the device, an event or `epoch_end` fails.
pub fn fit<B: Send, V: ?Sized, E: Send + Into<EngineError>>(
    course: &Course,
    trainer: &mut DynTrainer<B, V>,
    done: u32,
    make: impl Fn(&Batch) -> Result<B, E> + Send,
    report: &mut Reporter<'_>,
    mut epoch_end: impl FnMut(&DynTrainer<B, V>, u32, &mut Reporter<'_>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    report.begin(&course.batches);
    let mut in_flight = VecDeque::new();
    course.batches.prefetched(done, make, |batch, samples| {
        report.computes();
        let step = course.step(&batch);
        trainer.step(&samples.map_err(Into::into)?, step)?;
        let (ends_epoch, epoch) = (batch.ends_epoch(), batch.epoch);
        in_flight.push_back((batch, step.lr));
        // An epoch's end looks at the model, so nothing of it is on its way any more.
        let most = if ends_epoch { 0 } else { trainer.in_flight() };
        while in_flight.len() > most {
            let (batch, lr) = in_flight.pop_front().expect("more than none");
            let loss = trainer.loss()?;
            course.check(&batch, loss, lr)?;
            report.step(&batch, loss, lr)?;
        }
        if ends_epoch {
            epoch_end(trainer, epoch + 1, report)?;
            report.waits();
        }
        Ok(())
    })
}

/// Trains a model other than the run's result, such as a teacher. It has no loss curve: the run reports its steps as progress of `what`.
///
/// # Errors
/// As for [`fit`].
pub fn fit_beside<B: Send, V: ?Sized, E: Send + Into<EngineError>>(
    course: &Course,
    trainer: &mut DynTrainer<B, V>,
    make: impl Fn(&Batch) -> Result<B, E> + Send,
    what: &str,
    report: &mut Reporter<'_>,
) -> Result<(), EngineError> {
    course.batches.prefetched(0, make, |batch, samples| {
        let step = course.step(&batch);
        trainer.step(&samples.map_err(Into::into)?, step)?;
        let loss = trainer.loss()?;
        course.check(&batch, loss, step.lr)?;
        report.progress(what, batch.steps_done(), course.batches.steps());
        report.intact()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_rate_of_its_first_batch() {
        let batches = Batches { samples: 10, size: 2, epochs: 3, seed: 1 };
        let schedule = Schedule::new(1.0, 0.0, 256, 3, 3);
        let course = Course { phase: RunKind::Pretrain, batches, accumulate: 2, schedule };
        let of =
            |epoch, step| course.step(&Batch { epoch, step, steps_per_epoch: 5, samples: vec![] });
        // Batches 2 and 3 of epoch 1 make a step; 1.4 of the three warm-up epochs are done before it.
        for (step, place) in [(2, 0), (3, 1)] {
            let step = of(1, step);
            assert_eq!(step.place, place);
            assert!((step.lr - 1.4 / 3.0).abs() < 1e-12, "{step:?}");
        }
        assert_eq!((of(1, 4).place, of(2, 0).place), (0, 0), "the fifth is left over");
    }
}
