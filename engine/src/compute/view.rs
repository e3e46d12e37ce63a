//! What an evaluation needs from a model, on any device.

use std::ops::Range;

use candle_core::Result as TensorResult;
use shared::{Rgb8, settings::ModelSpec};

use super::MaskedBatch;
use crate::{
    EngineError,
    data::{DataError, augment::Normalisation},
};

/// Returns an image by its index; called from several threads.
pub type Load<'a> = &'a (dyn Fn(usize) -> Result<Rgb8, DataError> + Sync);

/// A masked autoencoder that computes features and predictions.
pub trait Encode: Send + Sync {
    /// Width, depth, heads and sizes.
    fn spec(&self) -> &ModelSpec;

    /// How many images to request at once: enough to keep the device busy. Callers report their progress in between.
    fn at_once(&self) -> usize;

    /// CLS features after the final norm for the images with these indices, in the model's size and unmasked: one row of
    /// [`width`](Self::width) numbers per image. An image's features do not depend on the other images.
    ///
    /// # Errors
    /// When an image cannot be read; when the device fails.
    fn features(&self, images: Range<usize>, image: Load<'_>) -> Result<Vec<f32>, EngineError>;

    /// The decoder's prediction for every patch, visible or hidden: `(images, patches, patch * patch * 3)`, patches in the order of
    /// the batch, pixels in the target's space.
    ///
    /// # Errors
    /// When the device fails.
    fn predict(&self, batch: &MaskedBatch) -> Result<Vec<f32>, EngineError>;

    /// Attention roll-out of an image of the model's size, unmasked: how much of each patch reaches the CLS token through all blocks, row by
    /// row of the patches, none below 0.
    ///
    /// # Errors
    /// On a device that keeps no attention weights: only the processor does.
    fn roll_out(&self, image: &Rgb8) -> Result<Vec<f64>, EngineError> {
        let _ = image;
        Err(EngineError::Order("only the processor tells what an encoder attends to".into()))
    }

    /// Number of features of an image.
    fn width(&self) -> usize {
        self.spec().encoder.dim as usize
    }
}

/// A model that computes a score (logit) for each class of an image.
pub trait Classify: Send + Sync {
    /// Side of its images in pixels.
    fn side(&self) -> usize;

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Mean and deviation that its images are normalised by.
    fn normalisation(&self) -> Normalisation;

    /// What it sees of an image of its size in an evaluation: an image of the same size, not yet normalised.
    fn view(&self, image: &Rgb8) -> Rgb8;

    /// The scores of normalised images `(images, 3, side, side)`, `classes` numbers per image.
    ///
    /// # Errors
    /// When the images were prepared for another model.
    fn scores(&self, images: &[f32]) -> TensorResult<Vec<f32>>;
}

/// A classifier of features.
pub trait Head: Send + Sync {
    /// The scores (logits) of each row of features, `(rows, classes)`.
    ///
    /// # Errors
    /// When the device fails.
    fn scores(&self, features: &[f32]) -> Result<Vec<f32>, EngineError>;
}

/// Rows to compare queries with.
pub trait Similar: Send + Sync {
    /// The scalar product of each query with each row, `(queries, rows)`; called from several threads.
    fn similarities(&self, queries: &[f32]) -> Vec<f32>;
}
