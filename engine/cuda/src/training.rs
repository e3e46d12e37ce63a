//! What every model in training has, whatever it is: parameters with gradients, an optimiser, and losses on their way to the host.

use std::{hash::Hash, ops::Range, sync::Arc};

use crate::{
    Arithmetic, Descent, Moments, Place, Result, Tensor, adamw::AdamW, communicator::Communicator,
    flat::Flat, gpu::Gpu, losses::Losses, plans::Plans, reduction::Reduction,
};

/// The state of a model in training.
pub struct Training {
    pub(crate) flat: Arc<Flat>,
    pub(crate) adamw: AdamW,
    pub(crate) losses: Losses,
    /// The places of the gradients that each stage of the backward pass completes.
    stages: Vec<Vec<Range<usize>>>,
}

impl Training {
    /// Of a model before its first step; its parameters are still to be set. `stages`: the layers whose gradients the backward pass has
    /// behind each of its stages.
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        tensors: &[Tensor],
        descent: Descent,
        stages: &[Vec<String>],
    ) -> Result<Self> {
        let flat = Arc::new(Flat::new(gpu, arithmetic, tensors, true)?);
        let adamw = AdamW::new(&flat, descent)?;
        let stages = flat.table.stages(stages);
        Ok(Self { flat, adamw, losses: Losses::default(), stages })
    }

    /// Tells the GPU about the step that a batch is part of. Gives whether the batch completes it.
    pub(crate) fn begin(&mut self, place: Place) -> Result<bool> {
        self.adamw.prepare(place)?;
        Ok(self.adamw.completes(place))
    }

    /// Does the work of a batch of this kind: its `gradients`, and the step that it may complete.
    pub(crate) fn run<K: Eq + Hash>(
        &mut self,
        plans: &mut Plans<K>,
        (kind, completes): (K, bool),
        others: &dyn Communicator,
        gradients: impl Fn(&Flat, &Reduction<'_>) -> Result<()>,
    ) -> Result<()> {
        let Self { flat, adamw, losses, stages } = self;
        plans.run(kind, others.is_recordable(), |sums| {
            let after = Reduction::new(flat, sums, adamw, others, stages, completes);
            gradients(flat, &after)?;
            after.finish()
        })?;
        losses.take(flat)
    }

    /// Replaces all parameters, in the host's order.
    pub(crate) fn set(&self, values: &[f32]) -> Result<()> {
        self.flat.set(values)
    }

    /// The mean loss of the earliest batch that was not asked for, or of the last; waits for it. Of more than
    /// [`IN_FLIGHT`](crate::IN_FLIGHT) batches, only the last are remembered.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn loss(&mut self) -> Result<f32> {
        self.losses.next(&self.flat)
    }

    /// All parameters, in the host's order.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn values(&self) -> Result<Vec<f32>> {
        self.flat.get()
    }

    /// The optimiser's moments.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn moments(&self) -> Result<Moments> {
        self.adamw.moments(&self.flat)
    }

    /// Goes on from these parameters and moments.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn restore(&mut self, values: &[f32], moments: &Moments) -> Result<()> {
        self.losses = Losses::default();
        self.flat.set(values)?;
        self.adamw.restore(&self.flat, moments)
    }
}
