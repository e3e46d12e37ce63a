//! Optimisers with state that can be saved.

mod adamw;
mod clip;
mod lars;

pub use adamw::AdamW;
pub use clip::clip_norm;
pub use lars::Lars;

use crate::{compute::Params, model::Layout, tensors::NamedTensor};

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
