//! What evaluations need from a model on a GPU.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ::cuda::{MaeModel, Pictures, VitModel, VitShape};
use candle_core::Result as TensorResult;
use shared::{
    Rgb8,
    settings::{ModelSpec, Pooling},
};

use super::{Cuda, pretrainer::masked, tensors};
use crate::{
    EngineError,
    compute::{Classify, Encode, Load, MaskedBatch, Params},
    data::augment::{Normalisation, eval_transform},
    parallel::in_parallel,
};

/// Images that pass through a model at once: enough for a GPU, and little memory.
pub(super) const AT_ONCE: usize = 256;
/// Images that are requested at once: while some pass through, the next are loaded.
const REQUESTED: usize = 8 * AT_ONCE;

/// A masked autoencoder.
pub(super) struct CudaEncoder {
    spec: ModelSpec,
    /// One evaluation at a time has its memory.
    model: Mutex<MaeModel>,
    threads: usize,
}

impl CudaEncoder {
    pub(super) fn new(cuda: &Cuda, spec: &ModelSpec, params: &Params) -> Result<Self, EngineError> {
        let tensors = tensors::fixed(params.layout());
        let (shape, bytes) = (tensors::mae_shape(spec), tensors::bytes());
        let model =
            cuda.first().mae_model(cuda.arithmetic, shape, &tensors, params.values(), &bytes)?;
        Ok(Self::of(cuda, spec, model))
    }

    pub(super) fn of(cuda: &Cuda, spec: &ModelSpec, model: MaeModel) -> Self {
        Self { spec: *spec, model: Mutex::new(model), threads: cuda.cpu.threads }
    }

    fn model(&self) -> MutexGuard<'_, MaeModel> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Encode for CudaEncoder {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn at_once(&self) -> usize {
        REQUESTED
    }

    fn features(&self, images: Range<usize>, image: Load<'_>) -> Result<Vec<f32>, EngineError> {
        let mut features = Vec::with_capacity(images.len() * self.width());
        let mut started = None;
        for first in images.clone().step_by(AT_ONCE) {
            let count = AT_ONCE.min(images.end - first);
            let loaded = in_parallel(count, self.threads, |i| image(first + i))?;
            let loaded: Vec<_> = loaded.iter().map(Rgb8::data).collect();
            let next = self.model().begin_features(&loaded)?;
            if let Some(before) = started.replace(next) {
                features.extend(self.model().finish_features(before)?);
            }
        }
        if let Some(last) = started {
            features.extend(self.model().finish_features(last)?);
        }
        Ok(features)
    }

    fn predict(&self, batch: &MaskedBatch) -> Result<Vec<f32>, EngineError> {
        let images: Vec<_> = batch.images.iter().map(Rgb8::data).collect();
        Ok(self.model().predict(&masked(batch, Pictures::Bytes(&images)))?)
    }
}

/// An image classifier.
pub(super) struct CudaClassifier {
    shape: VitShape,
    model: Mutex<VitModel>,
}

impl CudaClassifier {
    pub(super) fn new(
        cuda: &Cuda,
        spec: &ModelSpec,
        pooling: Pooling,
        params: &Params,
    ) -> Result<Self, EngineError> {
        let shape = tensors::vit_shape(spec, pooling, params.layout());
        let tensors = tensors::fixed(params.layout());
        Ok(Self::of(
            shape,
            cuda.first().vit_model(cuda.arithmetic, shape, &tensors, params.values())?,
        ))
    }

    pub(super) fn of(shape: VitShape, model: VitModel) -> Self {
        Self { shape, model: Mutex::new(model) }
    }
}

impl Classify for CudaClassifier {
    fn side(&self) -> usize {
        self.shape.side
    }

    fn classes(&self) -> usize {
        self.shape.classes
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::IMAGENET
    }

    fn view(&self, image: &Rgb8) -> Rgb8 {
        eval_transform(image, self.shape.side)
    }

    fn scores(&self, images: &[f32]) -> TensorResult<Vec<f32>> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        model.scores(images).map_err(candle_core::Error::wrap)
    }
}
