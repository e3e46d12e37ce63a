//! An NVIDIA GPU as a device: pre-training, fine-tuning, features, predictions and scores.
//!
//! The crate `cuda` has the kernels and the models; here are their tensors by name, batches as it takes them, and views. A
//! linear probe's head and the comparison of features have little to compute, and stay with the processor.
//!
//! | file | holds |
//! |---|---|
//! | `tensors` | a model's sizes and tensors as the crate takes them |
//! | `trained`, `pretrainer`, `finetuner` | trainers: what they have in common, and each |
//! | `held` | sets of images on a GPU, and crops of them |
//! | `memory` | how much of a GPU's memory a run takes |
//! | `views` | features, predictions and scores |

mod finetuner;
mod held;
mod memory;
mod pretrainer;
mod tensors;
#[cfg(test)]
mod tests;
mod trained;
mod views;

pub use self::memory::gpu_memory;

use std::sync::Arc;

use ::cuda::{Arithmetic, Group, Machines, Ranks};
use shared::settings::{ModelSpec, Pooling, Precision, ProbeSpec};

use super::{
    Classify, Descend, Device, Encode, FinetuningTrainer, HeadTrainer, Params, PretrainingTrainer,
    Similar, cpu::Cpu,
};
use crate::{EngineError, nodes::Nodes};

/// One or several GPUs of one kind, with the processor beside them.
#[derive(Clone, Debug)]
pub struct Cuda {
    /// Each trains on its part of a batch; the first also evaluates.
    devices: Vec<::cuda::Device>,
    /// How they add up their gradients.
    group: Group,
    arithmetic: Arithmetic,
    /// Loads images, trains heads and compares features.
    cpu: Cpu,
}

impl Cuda {
    /// These GPUs at this precision. Panics without any.
    pub fn new(devices: Vec<::cuda::Device>, precision: Precision, cpu: Cpu) -> Self {
        assert!(!devices.is_empty(), "a GPU");
        let group = Group::of(&devices, None);
        Self { devices, group, arithmetic: Self::arithmetic_of(precision), cpu }
    }

    /// These GPUs beside as many on each of the other nodes, which take the same steps.
    pub fn beside(self, nodes: &Arc<Nodes>) -> Self {
        let machines: Arc<dyn Machines> = Arc::new(Others(Arc::clone(nodes)));
        Self { group: Group::of(&self.devices, Some(machines)), ..self }
    }

    fn arithmetic_of(precision: Precision) -> Arithmetic {
        match precision {
            Precision::F32 => Arithmetic::F32,
            Precision::Tf32 => Arithmetic::Tf32,
            Precision::Bf16 => Arithmetic::Bf16,
            Precision::Bf16Stream => Arithmetic::Bf16Stream,
        }
    }

    /// The GPU that evaluates.
    fn first(&self) -> &::cuda::Device {
        &self.devices[0]
    }

    /// Creates a trainer on each GPU.
    fn on_each<T: Send>(
        &self,
        create: impl Fn(&::cuda::Device) -> ::cuda::Result<T>,
    ) -> ::cuda::Result<Ranks<T>> {
        Ranks::new(&self.devices, &self.group, create)
    }
}

/// The nodes of a run, as the GPUs' ranks take them.
#[derive(Debug)]
struct Others(Arc<Nodes>);

impl Machines for Others {
    fn place(&self) -> (usize, usize) {
        (self.0.node(), self.0.count())
    }

    fn tell(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        self.0.tell(bytes).map_err(|error| error.to_string())
    }

    fn sum(&self, values: &mut [f32]) -> Result<(), String> {
        self.0.sum(values, 0.0).map(drop).map_err(|error| error.to_string())
    }

    fn watch(&self, then: Box<dyn Fn(&str) + Send>) {
        self.0.watch(then);
    }

    fn end(&self, why: &str) {
        self.0.end(why);
    }
}

impl Device for Cuda {
    fn arithmetic(&self) -> String {
        let (count, bits, sums) = (self.devices.len(), self.first().bits(), self.group.bits());
        format!("{count} x {bits} {:?}{sums}, {}", self.arithmetic, self.cpu.arithmetic())
    }

    fn note(&self) -> Option<String> {
        self.group.note()
    }

    fn pretrainer(
        &self,
        spec: &ModelSpec,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<PretrainingTrainer>, EngineError> {
        Ok(Box::new(pretrainer::CudaPretrainer::new(self, spec, &params, descend)?))
    }

    fn finetuner(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<FinetuningTrainer>, EngineError> {
        Ok(Box::new(finetuner::CudaFinetuner::new(self, spec, pooling, &params, descend)?))
    }

    fn head_trainer(
        &self,
        params: Params,
        recipe: &ProbeSpec,
    ) -> Result<Box<HeadTrainer>, EngineError> {
        self.cpu.head_trainer(params, recipe)
    }

    fn encoder(&self, spec: &ModelSpec, params: Params) -> Result<Box<dyn Encode>, EngineError> {
        Ok(Box::new(views::CudaEncoder::new(self, spec, &params)?))
    }

    fn classifier(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
    ) -> Result<Box<dyn Classify>, EngineError> {
        Ok(Box::new(views::CudaClassifier::new(self, spec, pooling, &params)?))
    }

    fn similar(&self, rows: &[f32], width: usize) -> Box<dyn Similar> {
        self.cpu.similar(rows, width)
    }
}
