//! A masked autoencoder in training on a GPU.

use std::{ops::Range, sync::Arc};

use ::cuda::{MaeTrainer, MaskedImages, Pictures};
use safetensors::SafeTensors;
use shared::settings::ModelSpec;

use super::{
    Cuda, held, tensors,
    trained::{IN_FLIGHT, Trained},
    views::CudaEncoder,
};
use crate::{
    EngineError,
    compute::{Descend, Encode, ImageSet, MaskedBatch, Params, Step, Trainer},
    stop::Watch,
    tensors::NamedTensor,
};

pub(super) struct CudaPretrainer {
    trained: Trained<MaeTrainer>,
    view: CudaEncoder,
}

impl CudaPretrainer {
    pub(super) fn new(
        cuda: &Cuda,
        spec: &ModelSpec,
        params: &Params,
        descend: &Descend,
    ) -> Result<Self, EngineError> {
        let layout = Arc::clone(params.layout());
        let (shape, tensors) = (tensors::mae_shape(spec), tensors::trained(&layout, descend));
        let (table, descent) = (tensors::bytes(), tensors::descent(descend));
        let trainer = cuda.on_each(|device| {
            let values = params.values();
            device.mae_trainer(cuda.arithmetic, shape, &tensors, values, &table, descent)
        })?;
        let view = CudaEncoder::of(cuda, spec, trainer.first().model());
        Ok(Self { trained: Trained::new(cuda, layout, trainer), view })
    }
}

/// A batch as the GPU takes it, with these images.
pub(super) fn masked<'a>(batch: &'a MaskedBatch, images: Pictures<'a>) -> MaskedImages<'a> {
    MaskedImages {
        images,
        orders: &batch.orders,
        visible: batch.visible,
        normalised: batch.norm_pix_loss,
    }
}

impl Trainer for CudaPretrainer {
    type Batch = MaskedBatch;
    type View = dyn Encode;

    fn step(&mut self, batch: &MaskedBatch, step: Step) -> Result<(), EngineError> {
        let place = tensors::place(step);
        if !batch.crops.is_empty() {
            let crops = held::crops(&batch.crops);
            return Ok(self.trained.ranks.step(&masked(batch, Pictures::Crops(&crops)), place)?);
        }
        let images: Vec<_> = batch.images.iter().map(shared::Rgb8::data).collect();
        Ok(self.trained.ranks.step(&masked(batch, Pictures::Bytes(&images)), place)?)
    }

    fn hold(
        &mut self,
        set: &ImageSet<'_>,
        like: &MaskedBatch,
        watch: &mut dyn Watch,
    ) -> Result<bool, EngineError> {
        let images = like.images.len();
        self.trained.ranks.reserve(images, like.visible)?;
        let Some(sets) = held::hold(self.trained.devices(), set, images, watch)? else {
            return Ok(false);
        };
        self.trained.ranks.hold(sets);
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

    fn view(&self) -> &(dyn Encode + 'static) {
        &self.view
    }
}
