//! A masked autoencoder in training.

use std::sync::Arc;

use super::{
    MaeModel, MaskedImages,
    backward::stages,
    pass::{Pass, Predicted},
};
use crate::{
    Result,
    adamw::{Descent, Place},
    communicator::{Alone, Communicator},
    crops::HeldImages,
    gpu::Gpu,
    model::{Arithmetic, MaeShape},
    plans::Plans,
    table::Tensor,
    training::Training,
};

/// A kind of batch: how many images, of how many in all, whether targets are normalised, whether it completes a step.
type Kind = (usize, usize, bool, bool);

/// A masked autoencoder in training.
pub struct MaeTrainer {
    training: Training,
    shape: MaeShape,
    table: Vec<f32>,
    /// Plans are dropped before the memory that they name.
    pass: Option<(Plans<Kind>, Pass)>,
    /// The images that crops are of.
    held: Option<HeldImages>,
}

impl MaeTrainer {
    /// With these parameters, in the order of `tensors`; `table` is the normalised value of each byte in each channel, `(3, 256)`.
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        shape: MaeShape,
        tensors: &[Tensor],
        table: &[f32],
        descent: Descent,
    ) -> Result<Self> {
        let training = Training::new(gpu, arithmetic, tensors, descent, &stages(&shape))?;
        Ok(Self { training, shape, table: table.to_vec(), pass: None, held: None })
    }

    /// Takes the images that crops of later batches are of.
    pub fn hold(&mut self, images: Option<HeldImages>) {
        self.held = images;
    }

    /// Makes room for batches of `images` images with `visible` visible patches each.
    ///
    /// # Errors
    /// When the GPU has no such room.
    pub fn reserve(&mut self, images: usize, visible: usize) -> Result<()> {
        let fits = self
            .pass
            .as_ref()
            .is_some_and(|(_, pass)| pass.capacity >= images && pass.visible == visible);
        if !fits {
            // The old memory goes before the new is taken.
            self.pass = None;
            let pass = Pass::new(
                &self.training.flat,
                self.shape,
                &self.table,
                images,
                visible,
                Predicted::Hidden,
            )?;
            self.pass = Some((Plans::new(&self.training.flat.gpu)?, pass));
        }
        Ok(())
    }

    /// Processes a batch, and steps the parameters if it completes a step. Returns before the GPU is done.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn step(&mut self, batch: &MaskedImages<'_>, place: Place) -> Result<()> {
        self.step_part(batch, batch.images.len(), place, &Alone)
    }

    /// Processes a part of a batch of `of` images whose other parts other ranks have, and steps like [`step`](Self::step).
    pub(crate) fn step_part(
        &mut self,
        part: &MaskedImages<'_>,
        of: usize,
        place: Place,
        others: &dyn Communicator,
    ) -> Result<()> {
        let images = part.images.len();
        self.reserve(images, part.visible)?;
        let completes = self.training.begin(place)?;
        let (plans, pass) = self.pass.as_mut().expect("room was made");
        pass.fill(part.images, part.orders, self.held.as_mut())?;
        let (pass, normalised) = (&*pass, part.normalised);
        let kind = (images, of, normalised, completes);
        self.training.run(plans, (kind, completes), others, |flat, after| {
            pass.gradients(flat, after, images, of, normalised)
        })
    }

    /// The model as it is at any later time, for evaluations.
    pub fn model(&self) -> MaeModel {
        let (flat, table) = (Arc::clone(&self.training.flat), self.table.clone());
        MaeModel::of(flat, self.shape, table)
    }

    /// Its parameters, moments and losses.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Its parameters, moments and losses, to change.
    pub fn training_mut(&mut self) -> &mut Training {
        &mut self.training
    }
}
