//! A classifier in training on a GPU.

use std::sync::Arc;

use ::cuda::{LabelledImages, Planes, Ranks, VitTrainer};
use safetensors::SafeTensors;
use shared::settings::{ModelSpec, Pooling};

use super::{
    Cuda, held,
    pretrainer::{moments, named, read},
    tensors,
    views::CudaClassifier,
};
use crate::{
    EngineError,
    compute::{Classify, Descend, ImageSet, LabelledBatch, Params, Step, Trainer},
    model::Layout,
    tensors::NamedTensor,
};

pub(super) struct CudaFinetuner {
    layout: Arc<Layout>,
    devices: Vec<::cuda::Device>,
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
        let devices = cuda.devices.clone();
        Ok(Self { layout, devices, classes: shape.classes, trainer, view })
    }
}

impl Trainer for CudaFinetuner {
    type Batch = LabelledBatch;
    type View = dyn Classify;

    fn step(&mut self, batch: &LabelledBatch, step: Step) -> Result<(), EngineError> {
        let LabelledBatch { planes, crops: (crops, mix), targets, drops } = batch;
        let crops = held::crops(crops);
        let images = if crops.is_empty() {
            Planes::Numbers(planes)
        } else {
            Planes::Crops(&crops, held::mixing(mix))
        };
        let batch = LabelledImages { images, targets, drops };
        Ok(self.trainer.step(&batch, targets.len() / self.classes, tensors::place(step))?)
    }

    fn hold(&mut self, set: &ImageSet<'_>, like: &LabelledBatch) -> Result<bool, EngineError> {
        let images = like.targets.len() / self.classes;
        let dropping = like.drops.iter().flatten().any(|&factor| factor < 1.0);
        self.trainer.reserve(images, dropping)?;
        // A rank may have to cut out what its images are mixed with, too.
        let Some(sets) = held::hold(&self.devices, set, 2 * images)? else { return Ok(false) };
        self.trainer.hold(sets, &tensors::bytes())?;
        Ok(true)
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
