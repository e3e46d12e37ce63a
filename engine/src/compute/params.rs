//! The parameters of a model in the host's memory: what every device starts from, and what checkpoints hold.

use std::sync::Arc;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use shared::{
    settings::{ModelSpec, Pooling},
    stream::{Purpose, stream},
};

use super::init::draw;
use crate::{
    hash::hex,
    model::{Layout, Param, Slot, vit},
    tensors::{NamedTensor, bytes, read},
};

/// All parameters of a model, in one flat buffer: one tensor after the other, each row by row.
#[derive(Clone, Debug)]
pub struct Params {
    layout: Arc<Layout>,
    values: Vec<f32>,
}

impl Params {
    /// The parameters of a new model. Each tensor's numbers depend only on the seed and its place.
    pub fn draw(layout: Layout, seed: u64) -> Self {
        let mut values = Vec::with_capacity(layout.numbers());
        for (place, param) in layout.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Init, place as u64, 0);
            values.extend(draw(param.init, &param.shape, &mut rng));
        }
        Self { layout: Arc::new(layout), values }
    }

    /// The description of the tensors.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.layout.iter()
    }

    /// The trainable parameters in order.
    pub fn trainable(&self) -> impl Iterator<Item = &Param> {
        self.layout.trainable()
    }

    /// The parameter with this name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.layout.get(name)
    }

    /// The numbers of all parameters.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The numbers of all parameters, mutable.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The description of all parameters, and their numbers, mutable.
    pub fn parts_mut(&mut self) -> (&Layout, &mut [f32]) {
        (&self.layout, &mut self.values)
    }

    /// The numbers of one parameter.
    pub fn of(&self, param: &Param) -> &[f32] {
        param.slot.of(&self.values)
    }

    /// Replaces the numbers of the parameter with this name.
    ///
    /// # Errors
    /// A message when there is no such parameter, or it has more or fewer numbers.
    pub fn set(&mut self, name: &str, values: &[f32]) -> Result<(), String> {
        let param = self.get(name).ok_or_else(|| format!("the model has no tensor {name}"))?;
        let slot: Slot = param.slot;
        if values.len() != slot.len {
            return Err(format!("{name} takes {} numbers, not {}", slot.len, values.len()));
        }
        slot.of_mut(&mut self.values).copy_from_slice(values);
        Ok(())
    }

    /// SHA-256 in hex over all names and numbers: the same for equal models, whatever file they came from.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for param in self.layout.iter() {
            hash.update(param.name.as_bytes());
            hash.update([0]);
            hash.update(bytes(self.of(param)));
        }
        hex(&hash.finalize())
    }

    /// All parameters as named tensors.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let tensors = self.layout.iter();
        tensors
            .map(|param| NamedTensor::of(param, param.name.clone(), self.of(param).to_vec()))
            .collect()
    }

    /// Copies every tensor that another model has under the same name.
    ///
    /// # Errors
    /// A message when a tensor has another size.
    pub fn take(&mut self, other: &Params) -> Result<(), String> {
        let layout = Arc::clone(&self.layout);
        for param in layout.iter() {
            if let Some(trained) = other.get(&param.name) {
                self.set(&param.name, other.of(trained))?;
            }
        }
        Ok(())
    }

    /// Loads the parameters from the content of a safetensors file; ignores tensors with other names.
    ///
    /// # Errors
    /// A message that names the tensor that is missing or has another shape or number type.
    pub fn load(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        self.load_some(file, |_| true)
    }

    /// Like [`load`](Self::load), but only for names that are `wanted`.
    ///
    /// # Errors
    /// A message that names the tensor that is missing or has another shape or number type.
    pub fn load_some(
        &mut self,
        file: &SafeTensors<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        for param in self.layout.iter().filter(|param| wanted(&param.name)) {
            let values = read(file, &param.name, &param.shape)?;
            param.slot.of_mut(&mut self.values).copy_from_slice(&values);
        }
        Ok(())
    }
}

/// The encoder among these parameters as a classifier whose scores are its pooled features, by a head that changes nothing.
///
/// # Errors
/// A message when a tensor has another size.
pub fn features_as_scores(
    spec: &ModelSpec,
    pooling: Pooling,
    encoder: &Params,
) -> Result<Params, String> {
    let width = spec.encoder.dim as usize;
    let mut params = Params::draw(vit(spec, width, pooling), 0);
    for param in encoder.iter().filter(|param| !param.name.starts_with("head.")) {
        if params.get(&param.name).is_some() {
            params.set(&param.name, encoder.of(param))?;
        }
    }
    let mut identity = vec![0.0; width * width];
    identity.iter_mut().step_by(width + 1).for_each(|value| *value = 1.0);
    params.set("head.weight", &identity)?;
    params.set("head.bias", &vec![0.0; width])?;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Init, tensors::serialize};

    fn two(seed: u64) -> Params {
        let mut layout = Layout::default();
        layout.add_linear("a", 3, 2);
        layout.add_fixed("table", &[1, 4], Init::SinCos { grid: 0 });
        Params::draw(layout, seed)
    }

    #[test]
    fn a_file_brings_them_back() {
        let metadata = [("phase", "pretrain".to_owned())];
        let saved = serialize(&two(1).tensors(), &metadata).unwrap();
        let mut other = two(2);
        assert_ne!(two(1).digest(), other.digest());
        other.load(&SafeTensors::deserialize(&saved).unwrap()).unwrap();
        assert_eq!(two(1).digest(), other.digest());
    }

    #[test]
    fn a_file_of_another_model_is_refused_by_name() {
        let saved = serialize(&two(1).tensors(), &[]).unwrap();
        let file = SafeTensors::deserialize(&saved).unwrap();
        let of = |name: &str, shape: &[usize]| {
            let mut layout = Layout::default();
            layout.add(name, shape, Init::Zero);
            Params::draw(layout, 1)
        };
        let error = of("a.weight", &[2, 4]).load(&file).unwrap_err();
        assert_eq!(error, "a.weight has the shape [2, 3], not [2, 4]");
        assert_eq!(of("b.weight", &[2]).load(&file).unwrap_err(), "it has no tensor b.weight");
    }

    #[test]
    fn equal_names_are_taken_over_and_others_stay() {
        let mut params = two(1);
        params.set("a.bias", &[3.0, 7.0]).unwrap();
        assert_eq!(params.values()[6..8], [3.0, 7.0]);
        assert_eq!(params.set("a.bias", &[1.0]).unwrap_err(), "a.bias takes 2 numbers, not 1");
        let mut layout = Layout::default();
        layout.add("a.bias", &[2], Init::Zero);
        layout.add("b", &[1], Init::One);
        let mut other = Params::draw(layout, 1);
        other.take(&params).unwrap();
        assert_eq!(other.values(), [3.0, 7.0, 1.0]);
    }
}
