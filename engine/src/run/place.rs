//! Where a training goes on should its process die.

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

/// A training keeps a place to go on from at each milestone, and at the end of an epoch when this long has passed.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// Keeps the ends of epochs.
pub(super) struct Place<'a> {
    run: &'a Run<'a>,
    dataset: &'a str,
    kept: Instant,
}

impl Place<'_> {
    /// Keeps the end of an epoch at a milestone, or when it is time; the last one is no place to go on from.
    pub(super) fn keep<T: Trainer + ?Sized>(
        &mut self,
        trainer: &T,
        epoch: u32,
        milestone: bool,
        report: &Reporter<'_>,
    ) -> Result<(), EngineError> {
        let due = milestone || self.kept.elapsed() >= KEEP_EVERY;
        if epoch < self.run.batches.epochs && due {
            self.kept = Instant::now();
            let (events, seconds) = (report.sent(), report.seconds());
            let bits = self.run.device.bits();
            let point =
                ResumePoint::new(self.run.order, &bits, self.dataset, epoch, events, seconds);
            resume::save(self.run.folder, &resume::state(trainer)?, &point)?;
        }
        Ok(())
    }

    /// Removes what was kept: the training is over.
    pub(super) fn remove(self) -> Result<(), EngineError> {
        let folder = self.run.folder;
        resume::remove(folder).map_err(EngineError::file(folder.join(RESUME)))
    }
}

impl Run<'_> {
    /// The place to go on from, for a training on these images.
    pub(super) fn place<'a>(&'a self, pixels: &'a Pixels) -> Place<'a> {
        Place { run: self, dataset: &pixels.fingerprint, kept: Instant::now() }
    }

    /// Gives a trainer back what it had where the run stood. Returns the epochs done.
    pub(super) fn resume_into<T: Trainer + ?Sized>(
        &self,
        trainer: &mut T,
        pixels: &Pixels,
    ) -> Result<u32, EngineError> {
        let Some(point) = self.resume else { return Ok(0) };
        if point.dataset != pixels.fingerprint {
            return Err(EngineError::Checkpoint {
                path: self.folder.join(RESUME),
                reason: "the data set's files have changed since it was written; bring them back, or start a new study"
                    .into(),
            });
        }
        resume::load(self.folder, trainer)?;
        Ok(point.epoch)
    }
}
