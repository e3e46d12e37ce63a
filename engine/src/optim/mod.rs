//! Optimisers with state that can be saved, and the learning-rate schedule.

mod adamw;
mod clip;
mod lars;
mod layer_decay;
mod schedule;

pub use adamw::{AdamW, Group};
pub use clip::clip_norm;
pub use lars::Lars;
pub use layer_decay::layer_groups;
pub use schedule::Schedule;

use crate::nn::{Params, tensor_file::NamedTensor};

/// Changes parameters along their gradients.
pub trait Optimizer: Send {
    /// One step at this learning rate. `gradients` is flat as the parameters' values; fixed parameters stay as they are. Panics
    /// when the gradients are those of another model.
    fn step(&mut self, params: &mut Params, gradients: &[f32], lr: f64);

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

/// Zeros for all parameters.
fn zeros(params: &Params) -> Vec<f32> {
    vec![0.0; params.values().len()]
}

/// The part of each trainable parameter in a flat buffer as `prefix.name`.
fn named(params: &Params, prefix: &str, flat: &[f32]) -> Vec<NamedTensor> {
    let tensors = params.trainable();
    tensors.map(|p| p.named(&format!("{prefix}.{}", p.name), p.slot.of(flat).to_vec())).collect()
}

/// Reads back what [`named`] made.
fn read_named(
    params: &Params,
    prefix: &str,
    file: &safetensors::SafeTensors<'_>,
) -> std::result::Result<Vec<f32>, String> {
    let mut flat = zeros(params);
    for param in params.trainable() {
        let name = format!("{prefix}.{}", param.name);
        let values = crate::nn::tensor_file::read(file, &name, &param.shape)?;
        param.slot.of_mut(&mut flat).copy_from_slice(&values);
    }
    Ok(flat)
}
