//! The masked autoencoder (He et al. 2022, "Masked autoencoders are scalable vision learners").
//!
//! Tokens keep the random order in which the patches were drawn, in the encoder and in the decoder: attention does not look
//! at places, each token carries its position in its embedding, so putting them back in order before the decoder (as
//! the paper's figure shows it) would change nothing but the time it takes.

use std::sync::OnceLock;

use candle_core::{Result, Tensor};
use kernel::Kernels;
use shared::study::ModelSpec;

use super::{
    mae_eval::MaeWeights,
    patches::{MaskedImages, PatchGrid},
};
use crate::nn::{Composed, Init, LayerNorm, Linear, Params, Slot, Stack, sin_cos_table};

/// The masked autoencoder.
#[derive(Debug)]
pub struct Mae {
    spec: ModelSpec,
    params: Params,
    pub(super) patch_embed: Linear,
    /// `(1, 1, width)`
    pub(super) cls_token: Slot,
    /// `(1, 1 + patches, width)`, the CLS token's row first.
    pub(super) positions: Slot,
    pub(super) encoder: Stack,
    pub(super) norm: LayerNorm,
    pub(super) decoder_embed: Linear,
    /// `(1, 1, decoder width)`
    pub(super) mask_token: Slot,
    /// `(1, 1 + patches, decoder width)`
    pub(super) decoder_positions: Slot,
    pub(super) decoder: Stack,
    pub(super) decoder_norm: LayerNorm,
    pub(super) decoder_pred: Linear,
    /// The packed weights of evaluations, as long as no parameter changes.
    pub(super) packed: OnceLock<MaeWeights>,
}

impl Mae {
    /// A new model whose weights come from the seed.
    pub fn new(spec: &ModelSpec, seed: u64) -> Self {
        let grid = (spec.image_size / spec.patch_size) as usize;
        let patch = spec.patch_size as usize;
        let (width, decoder_width) = (spec.encoder.dim as usize, spec.decoder.dim as usize);
        let token = Init::Normal { deviation: 0.02 };
        let mut params = Params::new(seed);
        let table = |params: &mut Params, name: &str, width: usize| {
            params.add_fixed(name, &[1, 1 + grid * grid, width], &sin_cos_table(width, grid))
        };
        let cls_token = params.add("cls_token", &[1, 1, width], token);
        let positions = table(&mut params, "pos_embed", width);
        let patch_embed = Linear::patch_embedding(&mut params, patch, width);
        let encoder = Stack::new(&mut params, "blocks", spec.encoder);
        let norm = LayerNorm::new(&mut params, "norm", width);
        let decoder_embed = Linear::new(&mut params, "decoder_embed", width, decoder_width);
        let mask_token = params.add("mask_token", &[1, 1, decoder_width], token);
        let decoder_positions = table(&mut params, "decoder_pos_embed", decoder_width);
        let decoder = Stack::new(&mut params, "decoder_blocks", spec.decoder);
        let decoder_norm = LayerNorm::new(&mut params, "decoder_norm", decoder_width);
        let pixels = 3 * patch * patch;
        let decoder_pred = Linear::new(&mut params, "decoder_pred", decoder_width, pixels);
        Self {
            spec: *spec,
            params,
            patch_embed,
            cls_token,
            positions,
            encoder,
            norm,
            decoder_embed,
            mask_token,
            decoder_positions,
            decoder,
            decoder_norm,
            decoder_pred,
            packed: OnceLock::new(),
        }
    }

    /// Width, depth, heads and sizes.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
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

    /// Takes over the parameters from a checkpoint's content.
    ///
    /// # Errors
    /// A sentence that names the tensor that does not fit.
    pub fn load(&mut self, file: &safetensors::SafeTensors<'_>) -> std::result::Result<(), String> {
        self.params_mut().load(file)
    }

    /// Takes over the encoder alone; the decoder stays as it was drawn.
    ///
    /// # Errors
    /// A sentence that names the tensor that does not fit.
    pub fn load_encoder(
        &mut self,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String> {
        let encoder = |name: &str| !name.starts_with("decoder_") && name != "mask_token";
        self.params_mut().load_some(file, encoder)
    }

    /// The weights for evaluations. Panics when the model was evaluated with other kernels before.
    pub(super) fn packed(&self, kernels: Kernels) -> &MaeWeights {
        let weights = self.packed.get_or_init(|| MaeWeights::new(self, kernels));
        assert_eq!(weights.kernels, kernels, "a model is evaluated with one choice of kernels");
        weights
    }

    /// Mean squared error over the hidden patches' pixels, a number without dimensions, composed.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn composed_loss(&self, w: &Composed, masked: &MaskedImages) -> Result<Tensor> {
        let hidden = self.grid().count() - masked.visible;
        let x = self.composed_encode(w, masked)?;
        let mut x = self.decoder_embed.composed(w, &x)?;
        if hidden > 0 {
            let token = w.tensor(self.mask_token);
            let masks = token.broadcast_as((masked.images, hidden, token.dim(2)?))?;
            x = Tensor::cat(&[&x, &masks.contiguous()?], 1)?;
        }
        x = (x + self.composed_places(w, self.decoder_positions, masked, self.grid().count())?)?;
        let tokens = self.decoder.composed(w, x, None)?;
        let tokens = tokens.narrow(1, 1 + masked.visible, hidden)?.contiguous()?;
        let tokens = self.decoder_norm.composed(w, &tokens)?;
        let prediction = self.decoder_pred.composed(w, &tokens)?;
        let shape = (masked.images, hidden, self.grid().patch_len());
        (prediction - w.constant(&masked.targets, shape)?)?.sqr()?.mean_all()
    }

    /// `(images, 1 + visible, width)`: the CLS token and the visible patches, encoded and normalised, composed.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn composed_encode(&self, w: &Composed, masked: &MaskedImages) -> Result<Tensor> {
        let &MaskedImages { images, visible, .. } = masked;
        let token = w.tensor(self.cls_token);
        let mut x = token.broadcast_as((images, 1, token.dim(2)?))?.contiguous()?;
        if visible > 0 {
            let pixels = w.constant(&masked.pixels, (images, visible, self.grid().patch_len()))?;
            x = Tensor::cat(&[&x, &self.patch_embed.composed(w, &pixels)?], 1)?;
        }
        x = (x + self.composed_places(w, self.positions, masked, visible)?)?;
        self.norm.composed(w, &self.encoder.composed(w, x, None)?)
    }

    /// The position rows of the CLS token and of each image's first `take` patches: `(images, 1 + take, width)`.
    fn composed_places(
        &self,
        w: &Composed,
        table: Slot,
        masked: &MaskedImages,
        take: usize,
    ) -> Result<Tensor> {
        let patches = self.grid().count();
        let rows: Vec<u32> = masked
            .order
            .chunks_exact(patches)
            .flat_map(|order| std::iter::once(0).chain(order[..take].iter().map(|&i| i + 1)))
            .collect();
        let table = w.tensor(table).squeeze(0)?;
        let width = table.dim(1)?;
        let rows = Tensor::new(rows, &candle_core::Device::Cpu)?;
        table.index_select(&rows, 0)?.reshape((masked.images, 1 + take, width))
    }
}
