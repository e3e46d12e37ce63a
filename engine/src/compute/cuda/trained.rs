//! What every model in training on GPUs has, whatever it is: its ranks, and its parameters and moments by name.

use std::sync::Arc;

use ::cuda::{Device, Moments, Ranks, Training, Trains};
use safetensors::SafeTensors;

use super::Cuda;
use crate::{EngineError, compute::state, model::Layout, tensors::NamedTensor};

/// Further batches that a GPU takes before the loss of a batch is asked for.
pub(super) const IN_FLIGHT: usize = ::cuda::IN_FLIGHT - 1;

/// A model in training.
pub(super) struct Trained<T> {
    layout: Arc<Layout>,
    devices: Vec<Device>,
    pub ranks: Ranks<T>,
}

impl<T: Trains> Trained<T> {
    pub fn new(cuda: &Cuda, layout: Arc<Layout>, ranks: Ranks<T>) -> Self {
        Self { layout, devices: cuda.devices.clone(), ranks }
    }

    /// The GPUs of the ranks, in their order.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    fn training(&self) -> &Training {
        self.ranks.first().training()
    }

    pub fn loss(&mut self) -> Result<f64, EngineError> {
        Ok(f64::from(self.ranks.loss()?))
    }

    pub fn tensors(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(named(&self.layout, &self.training().values()?))
    }

    pub fn state(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(moments(self.training().moments()?).state(&self.layout))
    }

    pub fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        let (values, moments) = read(&self.layout, file)?;
        self.ranks.restore(&values, &moments).map_err(|error| error.to_string())
    }
}

/// All parameters as named tensors.
fn named(layout: &Layout, values: &[f32]) -> Vec<NamedTensor> {
    let tensors = layout.iter();
    tensors
        .map(|param| NamedTensor::of(param, param.name.clone(), param.slot.of(values).to_vec()))
        .collect()
}

/// The moments as a resume point holds them.
fn moments(Moments { first, second, steps }: Moments) -> state::Moments {
    state::Moments { steps, first, second }
}

/// Parameters and moments from a resume point.
fn read(layout: &Layout, file: &SafeTensors<'_>) -> Result<(Vec<f32>, Moments), String> {
    let mut values = vec![0.0; layout.numbers()];
    for param in layout.iter() {
        let tensor = crate::tensors::read(file, &param.name, &param.shape)?;
        param.slot.of_mut(&mut values).copy_from_slice(&tensor);
    }
    let state::Moments { steps, first, second } = state::Moments::load(layout, file)?;
    Ok((values, Moments { first, second, steps }))
}
