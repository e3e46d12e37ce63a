//! An optimiser's state as named tensors: what a resume point holds besides the model, the same on every device.

use safetensors::SafeTensors;

use crate::{
    model::Layout,
    tensors::{NamedTensor, read},
};

/// The moments of `AdamW`, flat like the parameters, and the steps that made them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moments {
    pub steps: u32,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

impl Moments {
    /// As named tensors.
    pub fn state(&self, layout: &Layout) -> Vec<NamedTensor> {
        // In two parts, each exact in single precision.
        let steps = [self.steps >> 16, self.steps & 0xffff].map(|part| part as f32);
        let mut state =
            vec![NamedTensor { name: "steps".into(), shape: vec![2], values: steps.to_vec() }];
        state.extend(named(layout, "first", &self.first));
        state.extend(named(layout, "second", &self.second));
        state
    }

    /// Reads back what [`state`](Self::state) returned.
    pub fn load(layout: &Layout, file: &SafeTensors<'_>) -> Result<Self, String> {
        let steps = read(file, "steps", &[2])?;
        Ok(Self {
            steps: ((steps[0] as u32) << 16) | steps[1] as u32,
            first: read_named(layout, "first", file)?,
            second: read_named(layout, "second", file)?,
        })
    }
}

/// Zeros for all parameters.
pub(super) fn zeros(layout: &Layout) -> Vec<f32> {
    vec![0.0; layout.numbers()]
}

/// The part of a flat buffer for each trainable parameter, as `prefix.name`.
pub(super) fn named(layout: &Layout, prefix: &str, flat: &[f32]) -> Vec<NamedTensor> {
    let name = |name: &str| format!("{prefix}.{name}");
    let tensors = layout.trainable();
    tensors.map(|p| NamedTensor::of(p, name(&p.name), p.slot.of(flat).to_vec())).collect()
}

/// Reads back what [`named`] returned.
pub(super) fn read_named(
    layout: &Layout,
    prefix: &str,
    file: &SafeTensors<'_>,
) -> Result<Vec<f32>, String> {
    let mut flat = zeros(layout);
    for param in layout.trainable() {
        let name = format!("{prefix}.{}", param.name);
        let values = read(file, &name, &param.shape)?;
        param.slot.of_mut(&mut flat).copy_from_slice(&values);
    }
    Ok(flat)
}
