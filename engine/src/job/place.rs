//! Where a training goes on should its process die.

use std::time::{Duration, Instant};

use super::Job;
use crate::{
    EngineError,
    data::Pixels,
    nn::Params,
    optim::AdamW,
    train::{
        pretrain::EpochEnd,
        report::Reporter,
        resume::{self, ResumePoint},
    },
};

/// A training keeps a place to go on from at each milestone, and at the end of an epoch when this long has passed.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// Keeps the ends of epochs.
pub(super) struct Place<'a> {
    job: &'a Job<'a>,
    dataset: &'a str,
    kept: Instant,
}

impl Place<'_> {
    /// Keeps the end of an epoch when it is time; the last one is no place to go on from.
    pub(super) fn keep(
        &mut self,
        params: &Params,
        end: &EpochEnd<'_, impl Sized>,
        report: &Reporter<'_>,
    ) -> Result<(), EngineError> {
        let due = end.milestone || self.kept.elapsed() >= KEEP_EVERY;
        if end.epoch < self.job.batches.epochs && due {
            self.kept = Instant::now();
            let (events, seconds) = (report.sent(), report.seconds());
            let point = ResumePoint::new(self.job.order, self.dataset, end.epoch, events, seconds);
            resume::save(self.job.folder, params, end.optimizer, &point)?;
        }
        Ok(())
    }

    /// Removes what was kept: the training is over.
    pub(super) fn remove(self) -> Result<(), EngineError> {
        let folder = self.job.folder;
        resume::remove(folder).map_err(EngineError::file(folder.join(resume::FILE)))
    }
}

impl Job<'_> {
    /// The place to go on from, for a training on these images.
    pub(super) fn place<'a>(&'a self, pixels: &'a Pixels) -> Place<'a> {
        Place { job: self, dataset: &pixels.fingerprint, kept: Instant::now() }
    }

    /// Takes parameters and moments over from where the run stood. Returns the epochs done.
    pub(super) fn resume_into(
        &self,
        params: &mut Params,
        adamw: &mut AdamW,
        pixels: &Pixels,
    ) -> Result<u32, EngineError> {
        let Some(point) = self.resume else { return Ok(0) };
        if point.dataset != pixels.fingerprint {
            return Err(EngineError::Checkpoint {
                path: self.folder.join(resume::FILE),
                reason: "the data set's files have changed since it was written; bring them back, or start a new study"
                    .into(),
            });
        }
        resume::load(self.folder, params, adamw)?;
        Ok(point.epoch)
    }
}
