//! Batches as they are passed to a trainer: whole, in the host's memory, not yet divided or copied to a device.

use shared::{Rgb8, patches::visible_count};

use super::Load;
use crate::{
    data::{augment::Crop, mix::Mix},
    model::PatchGrid,
};

/// Images that a trainer may hold on its device, all of one size.
#[derive(Clone, Copy)]
pub struct ImageSet<'a> {
    /// How many there are.
    pub count: usize,
    /// Their side, and that of the model's images.
    pub side: usize,
    /// An image by its number.
    pub image: Load<'a>,
}

/// Masked images: a batch of pre-training.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedBatch {
    /// The images, in the model's size. The trainer normalises them.
    pub images: Vec<Rgb8>,
    /// Instead of images: crops of those that the trainer holds ([`Trainer::hold`](super::Trainer::hold)).
    pub crops: Vec<Crop>,
    /// For each image all patch indices, `(images, patches)`: the first [`visible`](Self::visible) are visible, the rest hidden.
    pub orders: Vec<u32>,
    /// Visible patches per image.
    pub visible: usize,
    /// Whether the target of a patch is normalised by its mean and standard deviation.
    pub norm_pix_loss: bool,
}

impl MaskedBatch {
    /// An empty batch that hides `mask_ratio` of the patches.
    pub fn new(grid: PatchGrid, mask_ratio: f64, norm_pix_loss: bool) -> Self {
        let visible = visible_count(grid.count(), mask_ratio);
        Self { images: Vec::new(), crops: Vec::new(), orders: Vec::new(), visible, norm_pix_loss }
    }
}

/// Images with soft labels: a batch of fine-tuning.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledBatch {
    /// `(images, 3, side, side)`: normalised and mixed.
    pub planes: Vec<f32>,
    /// Instead of planes: crops of the images that the trainer holds ([`Trainer::hold`](super::Trainer::hold)), and how they are mixed.
    pub crops: (Vec<Crop>, Mix),
    /// The classes' shares in each image's label, `(images, classes)`.
    pub targets: Vec<f32>,
    /// Factors of stochastic depth for each of a block's two branches and each image ([`drop_factor`](super::drop_factor)).
    pub drops: Vec<Vec<f32>>,
}

/// Features with their classes: a batch of a linear probe.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledFeatures {
    /// `(rows, width)`
    pub features: Vec<f32>,
    /// The class of each row.
    pub labels: Vec<u32>,
}
