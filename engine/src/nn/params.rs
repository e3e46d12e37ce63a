//! The named, ordered parameters of a model.
//!
//! The names are those of MAE and timm, so that a checkpoint moves to and from PyTorch unchanged; the order is the one in
//! which the model adds them: optimisers, gradients and checkpoints all follow it.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Shape, Tensor, Var};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use shared::stream::{Purpose, stream};

use super::{
    init::Init,
    tensor_file::{NamedTensor, bytes, read},
};
use crate::hash::hex;

/// One parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name in checkpoints.
    pub name: String,
    /// Whether training changes it; the position tables are fixed.
    pub trainable: bool,
    var: Var,
}

impl Param {
    /// Its tensor, shared with the layers: an update is seen by all.
    pub fn tensor(&self) -> &Tensor {
        self.var.as_tensor()
    }

    /// Whether weight decay applies: to all but biases and the scales of norms, which are the tensors of one dimension.
    pub fn decays(&self) -> bool {
        self.tensor().rank() > 1
    }

    /// Its numbers, row by row.
    ///
    /// # Errors
    /// When candle cannot read them.
    pub fn values(&self) -> Result<Vec<f32>> {
        self.tensor().flatten_all()?.to_dtype(DType::F32)?.to_vec1()
    }

    /// Hands the numbers of a single-precision parameter to `change`, in place.
    ///
    /// # Errors
    /// When the parameter has another number type.
    pub fn update(&self, change: impl FnMut(&mut [f32])) -> Result<()> {
        self.tensor().inplace_op1(&Update(RefCell::new(change)))
    }

    /// Numbers of this parameter's shape under a name.
    pub fn named(&self, name: &str, values: Vec<f32>) -> NamedTensor {
        NamedTensor { name: name.into(), shape: self.tensor().dims().to_vec(), values }
    }

    /// Replaces its numbers.
    ///
    /// # Errors
    /// When there are more or fewer of them.
    pub fn set(&self, values: &[f32]) -> Result<()> {
        let values = Tensor::from_slice(values, self.tensor().shape(), self.tensor().device())?;
        self.var.set(&values.to_dtype(self.tensor().dtype())?)
    }
}

struct Update<F>(RefCell<F>);

impl<F: FnMut(&mut [f32])> InplaceOp1 for Update<F> {
    fn name(&self) -> &'static str {
        "update-parameter"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        match (storage, layout.contiguous_offsets()) {
            (CpuStorage::F32(data), Some((start, end))) => {
                (self.0.borrow_mut())(&mut data[start..end]);
                Ok(())
            }
            _ => candle_core::bail!("only contiguous single-precision parameters are updated"),
        }
    }
}

/// All parameters of a model.
#[derive(Debug)]
pub struct Params {
    seed: u64,
    dtype: DType,
    entries: Vec<Param>,
}

impl Params {
    /// None yet. `dtype` is `F32`; tests that need more digits take `F64`.
    pub fn new(seed: u64, dtype: DType) -> Self {
        Self { seed, dtype, entries: Vec::new() }
    }

    /// Adds a parameter to train. Its values come from the seed and its place alone.
    ///
    /// # Errors
    /// When candle cannot make it.
    pub fn add(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        let shape = shape.into();
        let mut rng = stream(self.seed, Purpose::Init, self.entries.len() as u64, 0);
        let values = init.draw(shape.elem_count(), &mut rng);
        self.push(name, values, shape, true)
    }

    /// Adds a parameter to train that begins with these values.
    ///
    /// # Errors
    /// When the number of values does not fit the shape.
    pub fn add_values(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        values: Vec<f32>,
    ) -> Result<Tensor> {
        self.push(name, values, shape.into(), true)
    }

    /// Adds a parameter that training leaves as it is.
    ///
    /// # Errors
    /// When the number of values does not fit the shape.
    pub fn add_fixed(
        &mut self,
        name: &str,
        shape: impl Into<Shape>,
        values: Vec<f32>,
    ) -> Result<Tensor> {
        self.push(name, values, shape.into(), false)
    }

    fn push(
        &mut self,
        name: &str,
        values: Vec<f32>,
        shape: Shape,
        trainable: bool,
    ) -> Result<Tensor> {
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(self.dtype)?;
        let var = Var::from_tensor(&tensor)?;
        let tensor = var.as_tensor().clone();
        self.entries.push(Param { name: name.into(), trainable, var });
        Ok(tensor)
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

    /// Number type of the parameters.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// SHA-256 in hex over all names and numbers: equal for equal models, whatever file they came from.
    ///
    /// # Errors
    /// When candle cannot read the numbers.
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for param in &self.entries {
            hash.update(param.name.as_bytes());
            hash.update([0]);
            hash.update(bytes(&param.values()?));
        }
        Ok(hex(&hash.finalize()))
    }

    /// All of them with their numbers.
    ///
    /// # Errors
    /// When candle cannot read them.
    pub fn tensors(&self) -> Result<Vec<NamedTensor>> {
        self.entries.iter().map(|param| Ok(param.named(&param.name, param.values()?))).collect()
    }

    /// Takes over the parameters from a safetensors file's content; tensors of other names are passed over.
    ///
    /// # Errors
    /// A sentence that names the tensor that is missing or has another shape or number type.
    pub fn load(&self, file: &SafeTensors<'_>) -> std::result::Result<(), String> {
        self.load_some(file, |_| true)
    }

    /// As [`load`](Self::load), only those whose name is `wanted`.
    ///
    /// # Errors
    /// A sentence that names the tensor that is missing or has another shape or number type.
    pub fn load_some(
        &self,
        file: &SafeTensors<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> std::result::Result<(), String> {
        for param in self.entries.iter().filter(|param| wanted(&param.name)) {
            let values = read(file, &param.name, param.tensor().dims())?;
            param.set(&values).map_err(|error| format!("{}: {error}", param.name))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::tensor_file::serialize;

    fn two(seed: u64) -> Params {
        let mut params = Params::new(seed, DType::F32);
        let xavier = Init::Xavier { inputs: 3, outputs: 2 };
        params.add("a.weight", (2, 3), xavier).unwrap();
        params.add("a.bias", 2, Init::Zero).unwrap();
        params.add_fixed("table", (1, 2), vec![5.0, 6.0]).unwrap();
        params
    }

    #[test]
    fn a_file_brings_them_back() {
        let metadata = [("phase", "pretrain".to_owned())];
        let saved = serialize(&two(1).tensors().unwrap(), &metadata).unwrap();
        let other = two(2);
        assert_ne!(two(1).digest().unwrap(), other.digest().unwrap());
        other.load(&SafeTensors::deserialize(&saved).unwrap()).unwrap();
        assert_eq!(two(1).digest().unwrap(), other.digest().unwrap());
    }

    #[test]
    fn a_file_of_another_model_is_refused_by_name() {
        let saved = serialize(&two(1).tensors().unwrap(), &[]).unwrap();
        let file = SafeTensors::deserialize(&saved).unwrap();
        let mut wider = Params::new(1, DType::F32);
        wider.add("a.weight", (2, 4), Init::Zero).unwrap();
        assert_eq!(wider.load(&file).unwrap_err(), "a.weight has the shape [2, 3], not [2, 4]");
        let mut deeper = Params::new(1, DType::F32);
        deeper.add("b.weight", 2, Init::Zero).unwrap();
        assert_eq!(deeper.load(&file).unwrap_err(), "it has no tensor b.weight");
    }

    #[test]
    fn updates_are_seen_through_the_layers_tensors() {
        let mut params = Params::new(1, DType::F32);
        let weight = params.add("w", 2, Init::One).unwrap();
        let entry = params.get("w").unwrap();
        assert!(!entry.decays() && entry.trainable);
        entry.update(|values| values[1] = 7.0).unwrap();
        assert_eq!(weight.to_vec1::<f32>().unwrap(), [1.0, 7.0]);
    }
}
