//! The masked autoencoder on a GPU.
//!
//! | file | holds |
//! |---|---|
//! | `pass` | the memory of a pass, and its way forward: pixels to predictions |
//! | `backward` | from the loss to the gradients |
//! | `trainer` | a model in training |
//! | `model` | features and predictions for evaluations |

mod backward;
mod model;
mod pass;
mod trainer;

use std::ops::Range;

pub use self::{
    model::{Features, MaeModel},
    trainer::MaeTrainer,
};
use crate::crops::Crop;

/// The images of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Pictures<'a> {
    /// The pixels of each, `(side, side, 3)`.
    Bytes(&'a [&'a [u8]]),
    /// Crops of the set that the trainer holds.
    Crops(&'a [Crop]),
}

impl Pictures<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(images) => images.len(),
            Self::Crops(crops) => crops.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them.
    pub(crate) fn part(self, part: Range<usize>) -> Self {
        match self {
            Self::Bytes(images) => Self::Bytes(&images[part]),
            Self::Crops(crops) => Self::Crops(&crops[part]),
        }
    }
}

/// Masked images: a batch of pre-training.
#[derive(Clone, Copy, Debug)]
pub struct MaskedImages<'a> {
    /// The images.
    pub images: Pictures<'a>,
    /// For each image all patches, `(images, patches)`: the visible ones first.
    pub orders: &'a [u32],
    /// Visible patches of an image.
    pub visible: usize,
    /// Whether a patch's target is normalised by its own mean and deviation.
    pub normalised: bool,
}
