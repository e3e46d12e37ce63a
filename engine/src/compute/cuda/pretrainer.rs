//! A masked autoencoder in training on a GPU.

use std::sync::Arc;

use ::cuda::{MaeTrainer, MaskedImages, Moments, Pictures, Ranks};
use safetensors::SafeTensors;
use shared::settings::ModelSpec;

use super::{Cuda, held, tensors, views::CudaEncoder};
use crate::{
    EngineError,
    compute::{Descend, Encode, ImageSet, MaskedBatch, Params, Step, Trainer, state},
    model::Layout,
    tensors::NamedTensor,
};

pub(super) struct CudaPretrainer {
    layout: Arc<Layout>,
    devices: Vec<::cuda::Device>,
    trainer: Ranks<MaeTrainer>,
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
        Ok(Self { layout, devices: cuda.devices.clone(), trainer, view })
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
            return Ok(self.trainer.step(&masked(batch, Pictures::Crops(&crops)), place)?);
        }
        let images: Vec<_> = batch.images.iter().map(shared::Rgb8::data).collect();
        Ok(self.trainer.step(&masked(batch, Pictures::Bytes(&images)), place)?)
    }

    fn hold(&mut self, set: &ImageSet<'_>, like: &MaskedBatch) -> Result<bool, EngineError> {
        let images = like.images.len();
        self.trainer.reserve(images, like.visible)?;
        let Some(sets) = held::hold(&self.devices, set, images)? else { return Ok(false) };
        self.trainer.hold(sets);
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

    fn view(&self) -> &(dyn Encode + 'static) {
        &self.view
    }
}

/// All parameters as named tensors.
pub(super) fn named(layout: &Layout, values: &[f32]) -> Vec<NamedTensor> {
    let tensors = layout.iter();
    tensors
        .map(|param| NamedTensor::of(param, param.name.clone(), param.slot.of(values).to_vec()))
        .collect()
}

/// The moments as a resume point holds them.
pub(super) fn moments(Moments { first, second, steps }: Moments) -> state::Moments {
    state::Moments { steps, first, second }
}

/// Parameters and moments from a resume point.
pub(super) fn read(layout: &Layout, file: &SafeTensors<'_>) -> Result<(Vec<f32>, Moments), String> {
    let mut values = vec![0.0; layout.numbers()];
    for param in layout.iter() {
        let tensor = crate::tensors::read(file, &param.name, &param.shape)?;
        param.slot.of_mut(&mut values).copy_from_slice(&tensor);
    }
    let state::Moments { steps, first, second } = state::Moments::load(layout, file)?;
    Ok((values, Moments { first, second, steps }))
}
