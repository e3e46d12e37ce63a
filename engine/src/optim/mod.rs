//! Optimisers with state that can be saved, and the learning-rate schedule.

mod adamw;
mod clip;
mod lars;
mod layer_decay;
mod schedule;

use candle_core::Result;

pub use adamw::{AdamW, Group};
pub use clip::clip_norm;
pub use lars::Lars;
pub use layer_decay::layer_groups;
pub use schedule::Schedule;

use crate::nn::{Params, tensor_file::NamedTensor};

/// The gradient of each trainable parameter, in the parameters' order, row by row.
pub type Gradients = Vec<Vec<f32>>;

/// Changes parameters along their gradients.
pub trait Optimizer: Send {
    /// One step at this learning rate.
    ///
    /// # Errors
    /// When a parameter cannot be written. Panics when the gradients are those of another model.
    fn step(&mut self, params: &Params, gradients: &Gradients, lr: f64) -> Result<()>;

    /// All that the next step depends on besides the parameters.
    fn state(&self, params: &Params) -> Vec<NamedTensor>;

    /// Takes a state over.
    ///
    /// # Errors
    /// A sentence that names the tensor that is missing or does not fit.
    fn load_state(
        &mut self,
        params: &Params,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String>;
}

/// Zeros in the shape of all trainable parameters.
fn zeros(params: &Params) -> Gradients {
    params.trainable().map(|param| vec![0.0; param.tensor().elem_count()]).collect()
}

/// One buffer per parameter as `prefix.name`.
fn named(params: &Params, prefix: &str, buffers: &Gradients) -> Vec<NamedTensor> {
    let pairs = params.trainable().zip(buffers);
    pairs
        .map(|(param, values)| param.named(&format!("{prefix}.{}", param.name), values.clone()))
        .collect()
}

/// Reads back what [`named`] made.
fn read_named(
    params: &Params,
    prefix: &str,
    file: &safetensors::SafeTensors<'_>,
) -> std::result::Result<Gradients, String> {
    let names = params.trainable();
    names
        .map(|param| {
            let name = format!("{prefix}.{}", param.name);
            crate::nn::tensor_file::read(file, &name, param.tensor().dims())
        })
        .collect()
}
