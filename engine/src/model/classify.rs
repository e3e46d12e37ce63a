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

/// A [`Vit`] and how it multiplies.
#[derive(Debug)]
pub struct VitWith<'a> {
    /// The model.
    pub vit: &'a Vit,
    /// How to multiply.
    pub kernels: Kernels,
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
        VitWith { vit: self, kernels: Kernels::single() }.scores(images)
    }
}

impl Classify for VitWith<'_> {
    fn side(&self) -> usize {
        self.vit.side()
    }

    fn classes(&self) -> usize {
        Vit::classes(self.vit)
    }

    fn normalisation(&self) -> Normalisation {
        self.vit.normalisation()
    }

    fn view(&self, image: &Rgb8) -> Rgb8 {
        self.vit.view(image)
    }

    fn scores(&self, images: &[f32]) -> Result<Vec<f32>> {
        let mut whole = WholeImages::default();
        for image in images.chunks_exact(self.vit.grid().image_len()) {
            whole.push(self.vit.grid(), image);
        }
        Ok(self.vit.logits(&whole, self.kernels))
    }
}
