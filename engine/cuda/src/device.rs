//! A GPU that creates models in training and for evaluations.

use std::{path::PathBuf, sync::Arc};

use crate::{
    Arithmetic, Descent, Error, HeldImages, MaeModel, MaeShape, MaeTrainer, Result, Tensor, Traits,
    VitModel, VitShape, VitTrainer, Windows, gpu::Gpu, libraries::Libraries,
};

/// A GPU in use.
#[derive(Clone)]
pub struct Device {
    gpu: Arc<dyn Gpu>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.traits())
    }
}

impl Device {
    /// Opens the GPU with this place among those that the driver shows. Compiled kernels are kept in the folder `cache`.
    ///
    /// # Errors
    /// When a library is missing, or the GPU is too old or cannot be opened.
    pub fn open(ordinal: usize, cache: Option<PathBuf>) -> Result<Self> {
        Libraries::open().can_train()?;
        Ok(Self { gpu: Arc::new(crate::nvidia::Nvidia::open(ordinal, cache)?) })
    }

    /// The kernels on the processor: for tests.
    #[cfg(any(test, feature = "emulation"))]
    pub fn emulated() -> Self {
        Self { gpu: Arc::new(crate::emulated::Emulated::new()) }
    }

    /// The same, with this much memory, in bytes.
    #[cfg(any(test, feature = "emulation"))]
    pub fn emulated_with_memory(bytes: usize) -> Self {
        Self { gpu: Arc::new(crate::emulated::Emulated::with_memory(bytes)) }
    }

    pub(crate) fn gpu(&self) -> &Arc<dyn Gpu> {
        &self.gpu
    }

    /// Room for a set of `count` images; none where it would take more than half of the memory that is left, with the crops of a batch of so
    /// many: evaluations need memory, too.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn hold(
        &self,
        windows: &Windows,
        (count, batch): (usize, usize),
    ) -> Result<Option<HeldImages>> {
        if HeldImages::memory(windows, count, batch) > self.gpu.room()? / 2 {
            return Ok(None);
        }
        match HeldImages::new(&self.gpu, windows, count) {
            Err(Error::OutOfMemory { .. }) => Ok(None),
            held => held.map(Some),
        }
    }

    /// What it is.
    pub fn traits(&self) -> &Traits {
        self.gpu.traits()
    }

    /// Bytes of its memory that this process has taken for models.
    pub fn taken(&self) -> u64 {
        self.gpu.taken()
    }

    /// What the bits of a result depend on besides the arithmetic: the device's model, the driver and the libraries.
    pub fn bits(&self) -> String {
        let Traits { name, versions, .. } = self.traits();
        format!("{name} {versions}")
    }

    /// A masked autoencoder in training, from parameters in the order of `tensors`. `table` is the normalised value of each byte in each
    /// channel, `(3, 256)`.
    ///
    /// # Errors
    /// When the GPU has no room for the model.
    pub fn mae_trainer(
        &self,
        arithmetic: Arithmetic,
        shape: MaeShape,
        tensors: &[Tensor],
        values: &[f32],
        table: &[f32],
        descent: Descent,
    ) -> Result<MaeTrainer> {
        let trainer = MaeTrainer::new(&self.gpu, arithmetic, shape, tensors, table, descent)?;
        trainer.training().set(values)?;
        Ok(trainer)
    }

    /// A masked autoencoder for evaluations, like [`mae_trainer`](Self::mae_trainer).
    ///
    /// # Errors
    /// When the GPU has no room for the model.
    pub fn mae_model(
        &self,
        arithmetic: Arithmetic,
        shape: MaeShape,
        tensors: &[Tensor],
        values: &[f32],
        table: &[f32],
    ) -> Result<MaeModel> {
        let model = MaeModel::new(&self.gpu, arithmetic, shape, tensors, table)?;
        model.set(values)?;
        Ok(model)
    }

    /// A classifier in training, from parameters in the order of `tensors`.
    ///
    /// # Errors
    /// When the GPU has no room for the model.
    pub fn vit_trainer(
        &self,
        arithmetic: Arithmetic,
        shape: VitShape,
        tensors: &[Tensor],
        values: &[f32],
        descent: Descent,
    ) -> Result<VitTrainer> {
        let trainer = VitTrainer::new(&self.gpu, arithmetic, shape, tensors, descent)?;
        trainer.training().set(values)?;
        Ok(trainer)
    }

    /// A classifier for evaluations, from parameters in the order of `tensors`.
    ///
    /// # Errors
    /// When the GPU has no room for the model.
    pub fn vit_model(
        &self,
        arithmetic: Arithmetic,
        shape: VitShape,
        tensors: &[Tensor],
        values: &[f32],
    ) -> Result<VitModel> {
        let model = VitModel::new(&self.gpu, arithmetic, shape, tensors)?;
        model.set(values)?;
        Ok(model)
    }
}
