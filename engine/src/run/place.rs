//! Stores the state from which a training resumes if its process dies.

use std::time::{Duration, Instant};

use super::Run;
use crate::{
    EngineError,
    checkpoint::resume::{self, ResumePoint},
    compute::Trainer,
    data::Pixels,
    files::RESUME,
    train::report::Reporter,
};

/// A training stores its state at each milestone, and at the end of an epoch if this much time has passed.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// Stores the state at the end of epochs.
pub(super) struct Place<'a> {
    run: &'a Run<'a>,
    dataset: &'a str,
    kept: Instant,
}

impl Place<'_> {
    /// Stores the state at the end of an epoch if it is a milestone, time is due or the run is to leave, except for the last epoch.
    ///
    /// # Errors
    /// [`EngineError::Left`] if the run is to leave: it has kept its place.
    pub(super) fn keep<T: Trainer + ?Sized>(
        &mut self,
        trainer: &T,
        epoch: u32,
        milestone: bool,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let leaves = report.is_to_leave();
        let due = milestone || leaves || self.kept.elapsed() >= KEEP_EVERY;
        if epoch < self.run.batches.epochs && due {
            self.kept = Instant::now();
            let (events, seconds) = (report.sent(), report.seconds());
            let bits = self.run.device.bits();
            let point =
                ResumePoint::new(self.run.order, &bits, self.dataset, epoch, events, seconds);
            let state = resume::state(trainer)?;
            report.written(|| resume::save(self.run.folder, &state, &point))?;
            if leaves {
                report.log(format!("asked to leave: the place after epoch {epoch} is kept"))?;
                return Err(EngineError::Left);
            }
        }
        Ok(())
    }

    /// Removes the stored state: the training is over.
    pub(super) fn remove(self, report: &mut Reporter<'_>) -> Result<(), EngineError> {
        let folder = self.run.folder;
        report.written(|| resume::remove(folder).map_err(EngineError::file(folder.join(RESUME))))
    }
}

impl Run<'_> {
    /// Prepares to store the state of a training on these images.
    pub(super) fn place<'a>(&'a self, pixels: &'a Pixels) -> Place<'a> {
        Place { run: self, dataset: &pixels.fingerprint, kept: Instant::now() }
    }

    /// Restores a trainer to the point that the run resumes from. Returns the epochs done.
    pub(super) fn resume_into<T: Trainer + ?Sized>(
        &self,
        trainer: &mut T,
        pixels: &Pixels,
    ) -> Result<u32, EngineError> {
        let Some(point) = self.resume else { return Ok(0) };
        if point.dataset != pixels.fingerprint {
            return Err(EngineError::Checkpoint {
                path: self.folder.join(RESUME),
                reason: "the data set's files have changed since it was written; restore them, or start a new study"
                    .into(),
            });
        }
        resume::load(self.folder, trainer)?;
        Ok(point.epoch)
    }
}
