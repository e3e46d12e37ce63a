//! A classifier in training on a GPU.

use std::{ops::Range, sync::Arc};

use ::cuda::{LabelledImages, Planes, VitTrainer};
use safetensors::SafeTensors;
use shared::settings::{ModelSpec, Pooling};

use super::{
    Cuda, held, tensors,
    trained::{IN_FLIGHT, Trained},
    views::CudaClassifier,
};
use crate::{
    EngineError,
    compute::{Classify, Descend, ImageSet, LabelledBatch, Params, Step, Trainer},
    stop::Watch,
    tensors::NamedTensor,
};

pub(super) struct CudaFinetuner {
    classes: usize,
    trained: Trained<VitTrainer>,
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
        Ok(Self { classes: shape.classes, trained: Trained::new(cuda, layout, trainer), view })
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
        Ok(self.trained.ranks.step(&batch, targets.len() / self.classes, tensors::place(step))?)
    }

    fn hold(
        &mut self,
        set: &ImageSet<'_>,
        like: &LabelledBatch,
        watch: &mut dyn Watch,
    ) -> Result<bool, EngineError> {
        let images = like.targets.len() / self.classes;
        let dropping = like.drops.iter().flatten().any(|&factor| factor < 1.0);
        self.trained.ranks.reserve(images, dropping)?;
        // A rank may have to cut out what its images are mixed with, too.
        let Some(sets) = held::hold(self.trained.devices(), set, 2 * images, watch)? else {
            return Ok(false);
        };
        self.trained.ranks.hold(sets, &tensors::bytes())?;
        Ok(true)
    }

    fn share(&self, images: usize) -> Range<usize> {
        self.trained.ranks.share(images)
    }

    fn loss(&mut self) -> Result<f64, EngineError> {
        self.trained.loss()
    }

    fn in_flight(&self) -> usize {
        IN_FLIGHT
    }

    fn tensors(&self) -> Result<Vec<NamedTensor>, EngineError> {
        self.trained.tensors()
    }

    fn state(&self) -> Result<Vec<NamedTensor>, EngineError> {
        self.trained.state()
    }

    fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String> {
        self.trained.restore(file)
    }

    fn view(&self) -> &(dyn Classify + 'static) {
        &self.view
    }
}
