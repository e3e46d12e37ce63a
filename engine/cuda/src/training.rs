//! What every model in training has, whatever it is: parameters with gradients, an optimiser, and losses on their way to the host.

use std::sync::Arc;

use crate::{
    Arithmetic, Descent, Moments, Result, Tensor, adamw::AdamW, flat::Flat, gpu::Gpu,
    losses::Losses,
};

/// The state of a model in training.
pub struct Training {
    pub(crate) flat: Arc<Flat>,
    pub(crate) adamw: AdamW,
    pub(crate) losses: Losses,
}

impl Training {
    /// Of a model before its first step; its parameters are still to be set.
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        tensors: &[Tensor],
        descent: Descent,
    ) -> Result<Self> {
        let flat = Arc::new(Flat::new(gpu, arithmetic, tensors, true)?);
        let adamw = AdamW::new(&flat, descent)?;
        Ok(Self { flat, adamw, losses: Losses::default() })
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
