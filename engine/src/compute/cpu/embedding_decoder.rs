//! A decoder that is trained to redraw images from the embeddings of another encoder: the inverse of `DeDe` (Hou, Li and Yao 2025).
//!
//! It is a small masked autoencoder. Its own encoder sees the visible patches. Its decoder gets them, and in the place of the CLS token a linear map of
//! the other encoder's embedding of the whole image. The loss is the mean squared error of the hidden patches' pixels.

use std::ops::Range;

use shared::{Rgb8, settings::ModelSpec};

use super::{
    Cpu, Mae, MaeRun, MaskedImages, Pass, Redrawn,
    nn::Gradients,
    parts::{CHUNK, errors, redrawn},
    trainer::{CpuTrainer, Trained},
};
use crate::{
    EngineError,
    compute::{Descend, DynTrainer, MaskedBatch, Params},
    data::augment::normalise,
    parallel::in_parallel,
};

/// A decoder of embeddings in training; its view is the decoder itself.
pub type DecoderTrainer = DynTrainer<EmbeddedBatch, EmbeddingDecoder>;

/// Masked images, and what another encoder makes of each of them as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedBatch {
    /// The images and their masks.
    pub masked: MaskedBatch,
    /// `(images, numbers of an embedding)`
    pub embeddings: Vec<f32>,
}

/// A decoder of embeddings.
#[derive(Debug)]
pub struct EmbeddingDecoder {
    mae: Mae,
    /// Numbers of an embedding.
    width: usize,
}

/// A step's memory.
#[derive(Debug)]
pub(super) struct EmbeddedRun(MaeRun);

/// A trainer of a decoder of embeddings of `width` numbers with these parameters ([`model::embedding_decoder`](crate::model::embedding_decoder)).
///
/// # Errors
/// When its threads cannot be started.
pub fn decoder_trainer(
    cpu: Cpu,
    (spec, width): (&ModelSpec, usize),
    params: Params,
    descend: &Descend,
) -> Result<Box<DecoderTrainer>, EngineError> {
    let decoder = EmbeddingDecoder::new(spec, width, params);
    Ok(Box::new(CpuTrainer::new(cpu, decoder, descend)?))
}

impl EmbeddingDecoder {
    /// The decoder of embeddings of `width` numbers with these parameters. Panics if they belong to another model.
    pub fn new(spec: &ModelSpec, width: usize, params: Params) -> Self {
        Self { mae: Mae::of_embeddings(spec, width, params), width }
    }

    /// The autoencoder that it is.
    pub fn mae(&self) -> &Mae {
        &self.mae
    }

    /// The mean squared error of all pixels of each image, as they are redrawn from the image's embedding alone: no patch is visible. Pixels are
    /// normalised by the channels' moments, as every model sees them. `embeddings` are `(images, numbers of an embedding)`; `image` is asked for images
    /// `0..n`, from several threads; an image's error does not depend on the others.
    ///
    /// # Errors
    /// When an image cannot be made.
    pub fn errors<E: Send>(
        &self,
        cpu: Cpu,
        embeddings: &[f32],
        image: impl Fn(usize) -> Result<Rgb8, E> + Sync,
    ) -> Result<Vec<f64>, E> {
        let n = embeddings.len() / self.width;
        let parts = in_parallel(n.div_ceil(CHUNK), cpu.threads, |chunk| {
            let range = chunk * CHUNK..n.min((chunk + 1) * CHUNK);
            let of_images = &embeddings[range.start * self.width..range.end * self.width];
            let images = range.map(&image).collect::<Result<Vec<Rgb8>, E>>()?;
            let (hidden, predicted) = self.redraw(cpu, &images, of_images);
            Ok(errors(self.mae.grid(), &hidden, &predicted))
        })?;
        Ok(parts.concat())
    }

    /// What the decoder makes of an image from its embedding alone; the mean of the errors is that of [`errors`](Self::errors).
    pub fn redrawn(&self, cpu: Cpu, image: &Rgb8, embedding: &[f32]) -> Redrawn {
        let grid = self.mae.grid();
        let mut planes = vec![0.0; grid.image_len()];
        normalise(image, &mut planes);
        let (hidden, predicted) = self.redraw(cpu, std::slice::from_ref(image), embedding);
        redrawn(grid, planes, &hidden, &predicted, false)
    }

    /// Images with every patch hidden, and the prediction of all of them from their embeddings.
    fn redraw(&self, cpu: Cpu, images: &[Rgb8], embeddings: &[f32]) -> (MaskedImages, Vec<f32>) {
        let grid = self.mae.grid();
        let whole: Vec<u32> = (0..grid.count() as u32).collect();
        let mut hidden = MaskedImages { visible: 0, ..MaskedImages::default() };
        let mut planes = vec![0.0; grid.image_len()];
        for image in images {
            normalise(image, &mut planes);
            hidden.push(grid, &planes, &whole, false);
        }
        hidden.embeddings.extend_from_slice(embeddings);
        let predicted = self.mae.decode_given(&hidden, cpu.kernels);
        (hidden, predicted)
    }
}

impl Pass for EmbeddedRun {
    type Model = EmbeddingDecoder;
    type Shard = MaskedImages;

    fn gradients(
        &mut self,
        model: &EmbeddingDecoder,
        batch: &[MaskedImages],
        weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        self.0.gradients(&model.mae, batch, weights, gradients)
    }
}

impl Trained for EmbeddingDecoder {
    type Batch = EmbeddedBatch;
    type Pass = EmbeddedRun;
    type View = Self;

    fn pass(cpu: Cpu) -> EmbeddedRun {
        EmbeddedRun(MaeRun::new(cpu.kernels))
    }

    fn images(&self, batch: &EmbeddedBatch) -> usize {
        batch.masked.images.len()
    }

    fn fill(
        &self,
        batch: &EmbeddedBatch,
        images: Range<usize>,
        shard: &mut MaskedImages,
        scratch: &mut Vec<f32>,
    ) {
        let own = images.start * self.width..images.end * self.width;
        shard.embeddings.clear();
        shard.embeddings.extend_from_slice(&batch.embeddings[own]);
        shard.fill(self.mae.grid(), &batch.masked, images, scratch);
    }

    fn view(trainer: &CpuTrainer<Self>) -> &Self {
        &trainer.model
    }

    fn params(&self) -> &Params {
        self.mae.params()
    }

    fn params_mut(&mut self) -> &mut Params {
        self.mae.params_mut()
    }
}
