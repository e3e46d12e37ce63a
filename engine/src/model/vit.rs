//! The classifier of fine-tuning: MAE's encoder with a head, trained together (He et al. 2022; timm's tensor names).

use candle_core::{DType, Device, Result, Tensor};
use shared::study::{ModelSpec, Pooling};

use super::{Mae, PatchGrid, mae::blocks};
use crate::nn::{
    Block, Init, LayerNorm, Linear, Params, PatchEmbed, repeat_rows, repeat_token, sin_cos_table,
};

/// Deviation of the head's first weights, as in MAE.
const HEAD_DEVIATION: f64 = 2e-5;

/// A vision transformer that classifies.
#[derive(Debug)]
pub struct Vit {
    spec: ModelSpec,
    pooling: Pooling,
    classes: usize,
    params: Params,
    patch_embed: PatchEmbed,
    /// `(1, 1, width)`
    cls_token: Tensor,
    /// `(1, 1 + patches, width)`, trained
    positions: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
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
    /// A new model of so many classes whose weights come from the seed; positions begin as MAE's table. `dtype` is `F32`; tests that
    /// need more digits take `F64`.
    ///
    /// # Errors
    /// When candle cannot make it.
    pub fn new(
        spec: &ModelSpec,
        classes: usize,
        pooling: Pooling,
        seed: u64,
        dtype: DType,
    ) -> Result<Self> {
        let grid = (spec.image_size / spec.patch_size) as usize;
        let width = spec.encoder.dim as usize;
        let mut params = Params::new(seed, dtype);
        let cls_token = params.add("cls_token", (1, 1, width), Init::Normal { deviation: 0.02 })?;
        let table = sin_cos_table(width, grid);
        let positions = params.add_values("pos_embed", (1, 1 + grid * grid, width), table)?;
        let patch_embed = PatchEmbed::new(&mut params, spec.patch_size as usize, width)?;
        let blocks = blocks(&mut params, "blocks", spec.encoder)?;
        let norm = match pooling {
            Pooling::Mean => "fc_norm",
            Pooling::Cls => "norm",
        };
        let norm = LayerNorm::new(&mut params, norm, width)?;
        let init = (Init::Normal { deviation: HEAD_DEVIATION }, Init::Zero);
        let head = Linear::with(&mut params, "head", width, classes, init)?;
        Ok(Self {
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
        })
    }

    /// Takes over every tensor that the encoder has under the same name; with mean pooling the norm begins anew, as in MAE.
    ///
    /// # Errors
    /// When a tensor has another size.
    pub fn take_encoder(&self, mae: &Mae) -> Result<()> {
        for param in self.params.iter() {
            if let Some(trained) = mae.params().get(&param.name) {
                param.set(&trained.values()?)?;
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

    /// Class scores `(images, classes)`. With `drops`, stochastic depth: a factor for each block's two parts and each image, the
    /// image last.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn logits(&self, images: &WholeImages, drops: Option<&[Vec<f32>]>) -> Result<Tensor> {
        let shape = (images.images, self.grid().count(), self.grid().patch_len());
        let pixels = Tensor::from_slice(&images.pixels, shape, &Device::Cpu)?;
        let patches = self.patch_embed.forward(&pixels.to_dtype(self.params.dtype())?)?;
        let cls = repeat_token(&self.cls_token, images.images, 1)?;
        let positions = repeat_rows(&self.positions, images.images)?;
        let mut x = (Tensor::cat(&[&cls, &patches], 1)? + positions)?;
        for (i, block) in self.blocks.iter().enumerate() {
            x = match drops {
                None => block.forward(&x)?,
                Some(drops) => block.forward_dropping(&x, [&drops[2 * i], &drops[2 * i + 1]])?,
            };
        }
        let pooled = match self.pooling {
            Pooling::Mean => x.narrow(1, 1, self.grid().count())?.mean(1)?,
            Pooling::Cls => x.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?,
        };
        self.head.forward(&self.norm.forward(&pooled)?)
    }
}
