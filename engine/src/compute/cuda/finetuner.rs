//! A classifier in training on a GPU.

use std::sync::Arc;

use ::cuda::{LabelledImages, Ranks, VitTrainer};
use safetensors::SafeTensors;
use shared::settings::{ModelSpec, Pooling};

use super::{
    Cuda,
    pretrainer::{moments, named, read},
    tensors,
    views::CudaClassifier,
};
use crate::{
    EngineError,
    compute::{Classify, Descend, LabelledBatch, Params, Step, Trainer},
    model::Layout,
    tensors::NamedTensor,
};

pub(super) struct CudaFinetuner {
    layout: Arc<Layout>,
    classes: usize,
    trainer: Ranks<VitTrainer>,
    view: CudaClassifier,
}

impl CudaFinetuner {
    pub(super) fn new(
        cuda: &Cuda,
        spec: &ModelSpec,
        pooling: Pooling,
        params: &Params,
        descend: &Descend,
    ) -> Result<Self, EngineError> {
        let layout = Arc::clone(params.layout());
        let shape = tensors::vit_shape(spec, pooling, &layout);
        let tensors = tensors::trained(&layout, descend);
        let descent = tensors::descent(descend);
        let trainer = cuda.on_each(|device| {
            device.vit_trainer(cuda.arithmetic, shape, &tensors, params.values(), descent)
        })?;
        let view = CudaClassifier::of(shape, trainer.first().model());
        Ok(Self { layout, classes: shape.classes, trainer, view })
    }
}

impl Trainer for CudaFinetuner {
    type Batch = LabelledBatch;
    type View = dyn Classify;

    fn step(&mut self, batch: &LabelledBatch, step: Step) -> Result<(), EngineError> {
        let LabelledBatch { planes, targets, drops } = batch;
        let images = targets.len() / self.classes;
        let batch = LabelledImages { planes, targets, drops };
        Ok(self.trainer.step(&batch, images, tensors::place(step))?)
    }

    fn loss(&mut self) -> Result<f64, EngineError> {
        Ok(f64::from(self.trainer.loss()?))
    }

    fn in_flight(&self) -> usize {
        ::cuda::IN_FLIGHT - 1
    }

    fn tensors(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(named(&self.layout, &self.trainer.first().training().values()?))
    }

    fn state(&self) -> Result<Vec<NamedTensor>, EngineError> {
        Ok(moments(self.trainer.first().training().moments()?).state(&self.layout))
    }

    fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        let (values, moments) = read(&self.layout, file)?;
        self.trainer.restore(&values, &moments).map_err(|error| error.to_string())
    }

    fn view(&self) -> &(dyn Classify + 'static) {
        &self.view
    }
}
