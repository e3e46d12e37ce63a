//! Optimisers with state that can be saved.

mod adamw;
mod clip;
mod lars;

pub use adamw::AdamW;
pub use clip::clip_norm;
pub use lars::Lars;

use crate::{
    compute::Params,
    model::Layout,
    tensors::{NamedTensor, read},
};

/// Changes parameters along their gradients.
pub trait Optimizer: Send {
    /// One step at this learning rate. `gradients` is flat like the parameters' values; fixed parameters do not change. Panics
    /// if the gradients belong to another model.
    fn step(&mut self, params: &mut Params, gradients: &[f32], lr: f64);

    /// Everything that the next step depends on besides the parameters.
    fn state(&self, layout: &Layout) -> Vec<NamedTensor>;

    /// Restores a state.
    ///
    /// # Errors
    /// A message that names the tensor that is missing or does not fit.
    fn load_state(
        &mut self,
        layout: &Layout,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String>;
}

/// Zeros for all parameters.
fn zeros(layout: &Layout) -> Vec<f32> {
    vec![0.0; layout.numbers()]
}

/// The part of a flat buffer for each trainable parameter, as `prefix.name`.
fn named(layout: &Layout, prefix: &str, flat: &[f32]) -> Vec<NamedTensor> {
    let name = |name: &str| format!("{prefix}.{name}");
    let tensors = layout.trainable();
    tensors.map(|p| NamedTensor::of(p, name(&p.name), p.slot.of(flat).to_vec())).collect()
}

/// Reads back what [`named`] returned.
fn read_named(
    layout: &Layout,
    prefix: &str,
    file: &safetensors::SafeTensors<'_>,
) -> std::result::Result<Vec<f32>, String> {
    let mut flat = zeros(layout);
    for param in layout.trainable() {
        let name = format!("{prefix}.{}", param.name);
        let values = read(file, &name, &param.shape)?;
        param.slot.of_mut(&mut flat).copy_from_slice(&values);
    }
    Ok(flat)
}
