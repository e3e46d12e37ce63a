//! The named, ordered parameters of a model.
//!
//! The names are those of MAE and timm, so that a checkpoint moves to and from PyTorch unchanged; the order is the one in
//! which the model adds them: optimisers, gradients and checkpoints all follow it.

use std::ops::Range;

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use shared::stream::{Purpose, stream};

use super::{
    init::Init,
    tensor_file::{NamedTensor, bytes, read},
};
use crate::hash::hex;

/// Where a tensor's numbers stand in the flat buffers of a model: parameters, gradients, moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The first number.
    pub start: usize,
    /// How many they are.
    pub len: usize,
}

impl Slot {
    /// The numbers' places.
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// The tensor's numbers in a flat buffer.
    pub fn of(self, flat: &[f32]) -> &[f32] {
        &flat[self.range()]
    }

    /// The tensor's numbers in a flat buffer, to write.
    pub fn of_mut(self, flat: &mut [f32]) -> &mut [f32] {
        &mut flat[self.range()]
    }
}

/// One parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name in checkpoints.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Where its numbers stand.
    pub slot: Slot,
    /// Whether training changes it; the position tables of pre-training are fixed.
    pub trainable: bool,
}

impl Param {
    /// Whether weight decay applies: to all but biases and the scales of norms, which are the tensors of one dimension.
    pub fn decays(&self) -> bool {
        self.shape.len() > 1
    }

    /// Numbers of this parameter's shape under a name.
    pub fn named(&self, name: &str, values: Vec<f32>) -> NamedTensor {
        NamedTensor { name: name.into(), shape: self.shape.clone(), values }
    }
}

/// All parameters of a model: their numbers in one flat buffer, one tensor after the other, each row by row.
#[derive(Clone, Debug)]
pub struct Params {
    seed: u64,
    entries: Vec<Param>,
    values: Vec<f32>,
}

impl Params {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, entries: Vec::new(), values: Vec::new() }
    }

    /// Adds a parameter to train. Its values come from the seed and its place alone.
    pub fn add(&mut self, name: &str, shape: &[usize], init: Init) -> Slot {
        let mut rng = stream(self.seed, Purpose::Init, self.entries.len() as u64, 0);
        let values = init.draw(shape.iter().product(), &mut rng);
        self.push(name, shape, &values, true)
    }

    /// Adds a parameter to train that begins with these values. Panics when they are more or fewer than the shape has.
    pub fn add_values(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Slot {
        self.push(name, shape, values, true)
    }

    /// Adds a parameter that training leaves as it is. Panics when its values are more or fewer than the shape has.
    pub fn add_fixed(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Slot {
        self.push(name, shape, values, false)
    }

    fn push(&mut self, name: &str, shape: &[usize], values: &[f32], trainable: bool) -> Slot {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}: values of {shape:?}");
        let slot = Slot { start: self.values.len(), len: values.len() };
        self.values.extend_from_slice(values);
        self.entries.push(Param { name: name.into(), shape: shape.to_vec(), slot, trainable });
        slot
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.entries.iter()
    }

    /// Those to train, in order.
    pub fn trainable(&self) -> impl Iterator<Item = &Param> {
        self.entries.iter().filter(|param| param.trainable)
    }

    /// The parameter of this name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.entries.iter().find(|param| param.name == name)
    }

    /// The numbers of all.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The numbers of all, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// All of them, and their numbers to change.
    pub fn parts_mut(&mut self) -> (&[Param], &mut [f32]) {
        (&self.entries, &mut self.values)
    }

    /// The numbers of one.
    pub fn of(&self, param: &Param) -> &[f32] {
        param.slot.of(&self.values)
    }

    /// Replaces the numbers of the parameter of this name.
    ///
    /// # Errors
    /// A sentence when there is none, or there are more or fewer numbers.
    pub fn set(&mut self, name: &str, values: &[f32]) -> Result<(), String> {
        let param = self.get(name).ok_or_else(|| format!("the model has no tensor {name}"))?;
        let slot = param.slot;
        if values.len() != slot.len {
            return Err(format!("{name} takes {} numbers, not {}", slot.len, values.len()));
        }
        slot.of_mut(&mut self.values).copy_from_slice(values);
        Ok(())
    }

    /// SHA-256 in hex over all names and numbers: equal for equal models, whatever file they came from.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for param in &self.entries {
            hash.update(param.name.as_bytes());
            hash.update([0]);
            hash.update(bytes(self.of(param)));
        }
        hex(&hash.finalize())
    }

    /// All of them with their numbers.
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let tensors = self.entries.iter();
        tensors.map(|param| param.named(&param.name, self.of(param).to_vec())).collect()
    }

    /// Takes over the parameters from a safetensors file's content; tensors of other names are passed over.
    ///
    /// # Errors
    /// A sentence that names the tensor that is missing or has another shape or number type.
    pub fn load(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        self.load_some(file, |_| true)
    }

    /// As [`load`](Self::load), only those whose name is `wanted`.
    ///
    /// # Errors
    /// A sentence that names the tensor that is missing or has another shape or number type.
    pub fn load_some(
        &mut self,
        file: &SafeTensors<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), String> {
        for param in self.entries.iter().filter(|param| wanted(&param.name)) {
            let values = read(file, &param.name, &param.shape)?;
            param.slot.of_mut(&mut self.values).copy_from_slice(&values);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::tensor_file::serialize;

    fn two(seed: u64) -> Params {
        let mut params = Params::new(seed);
        params.add("a.weight", &[2, 3], Init::Xavier { inputs: 3, outputs: 2 });
        params.add("a.bias", &[2], Init::Zero);
        params.add_fixed("table", &[1, 2], &[5.0, 6.0]);
        params
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
        let mut wider = Params::new(1);
        wider.add("a.weight", &[2, 4], Init::Zero);
        assert_eq!(wider.load(&file).unwrap_err(), "a.weight has the shape [2, 3], not [2, 4]");
        let mut deeper = Params::new(1);
        deeper.add("b.weight", &[2], Init::Zero);
        assert_eq!(deeper.load(&file).unwrap_err(), "it has no tensor b.weight");
    }

    #[test]
    fn tensors_lie_one_after_the_other() {
        let mut params = two(1);
        let bias = params.get("a.bias").unwrap().clone();
        assert!(!bias.decays() && bias.trainable && bias.slot == Slot { start: 6, len: 2 });
        params.set("a.bias", &[3.0, 7.0]).unwrap();
        assert_eq!(params.values()[6..], [3.0, 7.0, 5.0, 6.0]);
        assert_eq!(params.set("a.bias", &[1.0]).unwrap_err(), "a.bias takes 2 numbers, not 1");
    }
}
