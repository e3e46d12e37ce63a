//! Models for evaluations: features and predictions of an autoencoder, scores of a classifier.

use std::ops::Range;

use candle_core::Result as TensorResult;
use kernel::Kernels;
use shared::{Rgb8, settings::ModelSpec};

use super::{Cpu, Mae, MaskedImages, Vit, WholeImages};
use crate::{
    EngineError,
    compute::{Classify, Encode, Load, MaskedBatch},
    data::augment::{Normalisation, eval_transform, normalise},
    parallel::in_parallel,
};

/// Images that pass through the encoder at once on a thread.
const CHUNK: usize = 32;

/// A masked autoencoder.
pub(super) struct CpuEncoder {
    pub(super) mae: Mae,
    pub(super) cpu: Cpu,
}

impl Encode for CpuEncoder {
    fn spec(&self) -> &ModelSpec {
        self.mae.spec()
    }

    fn at_once(&self) -> usize {
        at_once(self.cpu)
    }

    fn features(&self, images: Range<usize>, image: Load<'_>) -> Result<Vec<f32>, EngineError> {
        features(&self.mae, self.cpu, images, image)
    }

    fn roll_out(&self, image: &Rgb8) -> Result<Vec<f64>, EngineError> {
        let shown = shown(&self.mae, std::iter::once(Ok(image.clone())))?;
        Ok(self.mae.roll_out(&shown, self.cpu.kernels))
    }

    fn predict(&self, batch: &MaskedBatch) -> Result<Vec<f32>, EngineError> {
        Ok(predict(&self.mae, self.cpu, batch))
    }
}

/// One chunk per thread.
pub(super) fn at_once(cpu: Cpu) -> usize {
    cpu.threads.max(1) * CHUNK
}

/// Like [`Encode::features`].
pub(super) fn features(
    mae: &Mae,
    cpu: Cpu,
    images: Range<usize>,
    image: Load<'_>,
) -> Result<Vec<f32>, EngineError> {
    let chunks = images.len().div_ceil(CHUNK);
    let parts = in_parallel(chunks, cpu.threads, |i| {
        let first = images.start + i * CHUNK;
        chunk(mae, cpu.kernels, (first..images.end.min(first + CHUNK)).map(image))
    })?;
    Ok(parts.concat())
}

fn chunk(
    mae: &Mae,
    kernels: Kernels,
    images: impl Iterator<Item = Result<Rgb8, crate::data::DataError>>,
) -> Result<Vec<f32>, EngineError> {
    Ok(mae.features(&shown(mae, images)?, kernels))
}

/// The images with every patch visible, in order.
fn shown(
    mae: &Mae,
    images: impl Iterator<Item = Result<Rgb8, crate::data::DataError>>,
) -> Result<MaskedImages, EngineError> {
    let grid = mae.grid();
    let order: Vec<u32> = (0..grid.count() as u32).collect();
    let mut shown = MaskedImages::new(grid, 0.0);
    let mut pixels = vec![0.0; grid.image_len()];
    for image in images {
        normalise(&image?, &mut pixels);
        shown.push(grid, &pixels, &order, false);
    }
    Ok(shown)
}

/// Like [`Encode::predict`], on the calling thread.
pub(super) fn predict(mae: &Mae, cpu: Cpu, batch: &MaskedBatch) -> Vec<f32> {
    let mut masked = MaskedImages::default();
    masked.fill(mae.grid(), batch, 0..batch.images.len(), &mut Vec::new());
    mae.predict(&masked, cpu.kernels)
}

/// An image classifier.
pub(super) struct CpuClassifier {
    pub(super) vit: Vit,
    pub(super) kernels: Kernels,
}

impl Classify for CpuClassifier {
    fn side(&self) -> usize {
        self.vit.grid().side
    }

    fn classes(&self) -> usize {
        self.vit.classes()
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::IMAGENET
    }

    fn view(&self, image: &Rgb8) -> Rgb8 {
        eval_transform(image, self.vit.grid().side)
    }

    fn scores(&self, images: &[f32]) -> TensorResult<Vec<f32>> {
        Ok(scores(&self.vit, self.kernels, images))
    }
}

/// Like [`Classify::scores`], on the calling thread.
pub(super) fn scores(vit: &Vit, kernels: Kernels, images: &[f32]) -> Vec<f32> {
    let mut whole = WholeImages::default();
    for image in images.chunks_exact(vit.grid().image_len()) {
        whole.push(vit.grid(), image);
    }
    vit.logits(&whole, kernels)
}
