//! The classifier of fine-tuning: MAE's encoder with a head, trained together (He et al. 2022; timm's tensor names).

use std::sync::OnceLock;

use candle_core::{Result, Tensor};
use kernel::Kernels;
use shared::study::{ModelSpec, Pooling};

use super::{Mae, PatchGrid, vit_run::VitWeights};
use crate::nn::{Composed, Init, LayerNorm, Linear, Params, Slot, Stack, sin_cos_table};

/// Deviation of the head's first weights, as in MAE.
const HEAD_DEVIATION: f64 = 2e-5;

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
    /// The packed weights of evaluations, as long as no parameter changes.
    packed: OnceLock<VitWeights>,
}

/// Whole images for a [`Vit`], as plain numbers.
#[derive(Clone, Debug, Default)]
pub struct WholeImages {
    /// Images.
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
    /// A new model of so many classes whose weights come from the seed; positions begin as MAE's table.
    pub fn new(spec: &ModelSpec, classes: usize, pooling: Pooling, seed: u64) -> Self {
        let grid = (spec.image_size / spec.patch_size) as usize;
        let width = spec.encoder.dim as usize;
        let mut params = Params::new(seed);
        let token = Init::Normal { deviation: 0.02 };
        let cls_token = params.add("cls_token", &[1, 1, width], token);
        let table = sin_cos_table(width, grid);
        let positions = params.add_values("pos_embed", &[1, 1 + grid * grid, width], &table);
        let patch_embed = Linear::patch_embedding(&mut params, spec.patch_size as usize, width);
        let blocks = Stack::new(&mut params, "blocks", spec.encoder);
        let norm = match pooling {
            Pooling::Mean => "fc_norm",
            Pooling::Cls => "norm",
        };
        let norm = LayerNorm::new(&mut params, norm, width);
        let init = (Init::Normal { deviation: HEAD_DEVIATION }, Init::Zero);
        let head = Linear::with(&mut params, "head", width, classes, init);
        Self {
            spec: *spec,
            pooling,
            classes,
            params,
            patch_embed,
            cls_token,
            positions,
            blocks,
            norm,
            head,
            packed: OnceLock::new(),
        }
    }

    /// Takes over every tensor that the encoder has under the same name; with mean pooling the norm begins anew, as in MAE.
    ///
    /// # Errors
    /// When a tensor has another size.
    pub fn take_encoder(&mut self, mae: &Mae) -> std::result::Result<(), String> {
        let params = self.params_mut();
        let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        for name in names {
            if let Some(trained) = mae.params().get(&name) {
                params.set(&name, mae.params().of(trained))?;
            }
        }
        Ok(())
    }

    /// Width, depth, heads and sizes.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The patch grid of its images.
    pub fn grid(&self) -> PatchGrid {
        PatchGrid { side: self.spec.image_size as usize, patch: self.spec.patch_size as usize }
    }

    /// All parameters in order.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// All parameters, to change.
    pub fn params_mut(&mut self) -> &mut Params {
        self.packed = OnceLock::new();
        &mut self.params
    }

    /// The weights for evaluations. Panics when the model was evaluated with other kernels before.
    pub(super) fn packed(&self, kernels: Kernels) -> &VitWeights {
        let weights = self.packed.get_or_init(|| VitWeights::new(self, kernels));
        assert_eq!(weights.kernels, kernels, "a model is evaluated with one choice of kernels");
        weights
    }

    /// Class scores `(images, classes)`, composed. With `drops`, stochastic depth: a factor for each block's two parts and each
    /// image, the image last.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn composed_logits(
        &self,
        w: &Composed,
        images: &WholeImages,
        drops: Option<&[Vec<f32>]>,
    ) -> Result<Tensor> {
        let shape = (images.images, self.grid().count(), self.grid().patch_len());
        let patches = self.patch_embed.composed(w, &w.constant(&images.pixels, shape)?)?;
        let cls = w.tensor(self.cls_token);
        let cls = cls.broadcast_as((images.images, 1, cls.dim(2)?))?.contiguous()?;
        let x = Tensor::cat(&[&cls, &patches], 1)?.broadcast_add(w.tensor(self.positions))?;
        let x = self.blocks.composed(w, x, drops)?;
        let pooled = match self.pooling {
            Pooling::Mean => x.narrow(1, 1, self.grid().count())?.mean(1)?,
            Pooling::Cls => x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?,
        };
        self.head.composed(w, &self.norm.composed(w, &pooled)?)
    }
}
