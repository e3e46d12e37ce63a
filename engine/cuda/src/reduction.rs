//! From a batch's backward pass to a step: what the pass has completed is added up over the ranks while it goes on.

use std::{cell::Cell, ops::Range};

use crate::{
    Result,
    adamw::AdamW,
    buckets::{Bucket, buckets},
    communicator::Communicator,
    flat::{Flat, Sums},
};

/// What follows the backward pass of a batch.
///
/// Batches that are accumulated stay on their rank: the gradient that is added up is the step's, behind its last batch. Only the loss is each
/// batch's.
pub(crate) struct Reduction<'a> {
    flat: &'a Flat,
    /// Sums that the pass leaves in parts.
    pub sums: &'a Sums,
    adamw: &'a AdamW,
    others: &'a dyn Communicator,
    buckets: Vec<Bucket>,
    /// Whether the batch completes a step.
    completes: bool,
    stage: Cell<usize>,
    next: Cell<usize>,
}

impl<'a> Reduction<'a> {
    /// Of a pass of these stages.
    pub fn new(
        flat: &'a Flat,
        sums: &'a Sums,
        adamw: &'a AdamW,
        others: &'a dyn Communicator,
        stages: &[Vec<Range<usize>>],
        completes: bool,
    ) -> Self {
        let buckets = if completes { buckets(stages, others.part()) } else { Vec::new() };
        let (stage, next) = (Cell::new(0), Cell::new(0));
        Self { flat, sums, adamw, others, buckets, completes, stage, next }
    }

    /// The pass has completed its next stage.
    pub fn passed(&self) -> Result<()> {
        let stage = self.stage.get();
        self.stage.set(stage + 1);
        let Some(bucket) = self.buckets.get(self.next.get()) else { return Ok(()) };
        if bucket.after != stage {
            return Ok(());
        }
        self.next.set(self.next.get() + 1);
        self.sums.finish(&self.flat.gpu)?;
        let gradient = self.adamw.gradient(self.flat);
        let mut parts = Vec::new();
        for place in &bucket.places {
            self.adamw.take(self.flat, place.clone())?;
            parts.push((gradient + 4 * place.start as u64, place.len()));
        }
        if self.next.get() == self.buckets.len() {
            parts.push((self.flat.loss(), 1));
        }
        self.others.sum(&self.flat.gpu, &parts)
    }

    /// The pass is over: steps if its batch completes a step.
    pub fn finish(&self) -> Result<()> {
        let gpu = &self.flat.gpu;
        if self.completes {
            self.others.settle(gpu)?;
            return self.adamw.step(self.flat);
        }
        self.sums.finish(gpu)?;
        self.adamw.take(self.flat, 0..self.flat.table.total())?;
        self.others.sum(gpu, &[(self.flat.loss(), 1)])?;
        self.others.settle(gpu)
    }
}
