//! [`Classify`]: what an evaluation asks of a classifier, whoever wrote its layers.

use candle_core::Result;
use kernel::Kernels;
use shared::Rgb8;

use super::{Vit, WholeImages};
use crate::data::augment::{Normalisation, eval_transform};

/// A model that gives an image a score (logit) for each class.
pub trait Classify: Send + Sync {
    /// Side of its images in pixels.
    fn side(&self) -> usize;

    /// Number of classes.
    fn classes(&self) -> usize;

    /// What its images are normalised by.
    fn normalisation(&self) -> Normalisation;

    /// What it sees of an image of its side in an evaluation: an image of the same side, not yet normalised.
    fn view(&self, image: &Rgb8) -> Rgb8;

    /// The scores of normalised images `(images, 3, side, side)`, `classes` numbers an image.
    ///
    /// # Errors
    /// When the images were made for another model.
    fn scores(&self, images: &[f32]) -> Result<Vec<f32>>;
}

impl Classify for Vit {
    fn side(&self) -> usize {
        self.grid().side
    }

    fn classes(&self) -> usize {
        Vit::classes(self)
    }

    fn normalisation(&self) -> Normalisation {
        Normalisation::IMAGENET
    }

    fn view(&self, image: &Rgb8) -> Rgb8 {
        eval_transform(image, self.grid().side)
    }

    fn scores(&self, images: &[f32]) -> Result<Vec<f32>> {
        let mut whole = WholeImages::default();
        for image in images.chunks_exact(self.grid().image_len()) {
            whole.push(self.grid(), image);
        }
        Ok(self.logits(&whole, Kernels::single()))
    }
}
