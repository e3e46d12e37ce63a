//! The classifier of fine-tuning on the processor: its layers, and its composed form.

use std::sync::OnceLock;

use kernel::Kernels;
use shared::settings::{ModelSpec, Pooling};

use super::{
    nn::{LayerNorm, Linear, Stack},
    vit_run::VitWeights,
};
use crate::{
    compute::Params,
    model::{self, PatchGrid, Slot},
};

/// A vision transformer that classifies.
#[derive(Debug)]
pub struct Vit {
    spec: ModelSpec,
    pub(super) pooling: Pooling,
    classes: usize,
    params: Params,
    pub(super) patch_embed: Linear,
    /// `(1, 1, width)`
    pub(super) cls_token: Slot,
    /// `(1, 1 + patches, width)`, trained
    pub(super) positions: Slot,
    pub(super) blocks: Stack,
    pub(super) norm: LayerNorm,
    pub(super) head: Linear,
    /// The packed weights for evaluations, valid until a parameter changes.
    packed: OnceLock<VitWeights>,
}

/// Whole images for a [`Vit`], as plain numbers.
#[derive(Clone, Debug, Default)]
pub struct WholeImages {
    /// Number of images.
    pub images: usize,
    /// `(images, patches, 3 * patch * patch)`, each patch channel by channel.
    pub pixels: Vec<f32>,
}

impl WholeImages {
    /// Adds a normalised `[3, side, side]` image.
    pub fn push(&mut self, grid: PatchGrid, image: &[f32]) {
        (0..grid.count()).for_each(|index| grid.push_planar(image, index, &mut self.pixels));
        self.images += 1;
    }
}

impl Vit {
    /// The model with these parameters. Panics if they belong to another model.
    pub fn new(spec: &ModelSpec, pooling: Pooling, params: Params) -> Self {
        let layout = params.layout().as_ref();
        let slot = |name: &str| layout.tensor(name).slot;
        let classes = slot("head.bias").len;
        assert_eq!(*layout, model::vit(spec, classes, pooling), "the model's parameters");
        Self {
            spec: *spec,
            pooling,
            classes,
            patch_embed: Linear::of(layout, "patch_embed.proj"),
            cls_token: slot("cls_token"),
            positions: slot("pos_embed"),
            blocks: Stack::of(layout, "blocks", spec.encoder),
            norm: LayerNorm::of(layout, model::last_norm(pooling)),
            head: Linear::of(layout, "head"),
            params,
            packed: OnceLock::new(),
        }
    }

    /// A new model with `classes` outputs, whose weights are drawn from the seed.
    pub fn drawn(spec: &ModelSpec, classes: usize, pooling: Pooling, seed: u64) -> Self {
        Self::new(spec, pooling, Params::draw(model::vit(spec, classes, pooling), seed))
    }

    /// Width, depth, heads and sizes.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Which tokens the head uses.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The patch grid of its images.
    pub fn grid(&self) -> PatchGrid {
        PatchGrid::of(&self.spec)
    }

    /// All parameters in order.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// All parameters, mutable.
    pub fn params_mut(&mut self) -> &mut Params {
        self.packed = OnceLock::new();
        &mut self.params
    }

    /// The weights for evaluations. Panics if the model was evaluated with other kernels before.
    pub(super) fn packed(&self, kernels: Kernels) -> &VitWeights {
        let weights = self.packed.get_or_init(|| VitWeights::new(self, kernels));
        assert_eq!(weights.kernels, kernels, "a model is always evaluated with the same kernels");
        weights
    }
}
