//! The masked autoencoder on the processor: its layers, and its composed form.
//!
//! Tokens keep the random order in which the patches were drawn, in the encoder and in the decoder. Attention does not depend on
//! their order, because each token carries its position in its embedding; restoring it before the decoder (as in the paper's
//! figure) would only take time.

use std::sync::OnceLock;

use candle_core::{Result, Tensor};
use kernel::Kernels;
use shared::settings::ModelSpec;

use super::{
    mae_eval::MaeWeights,
    masked::MaskedImages,
    nn::{Composed, LayerNorm, Linear, Stack},
};
use crate::{
    compute::Params,
    model::{self, PatchGrid, Slot},
};

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
    /// Of a decoder of embeddings: the map from an embedding to the decoder's first token, which stands there instead of the CLS token.
    pub(super) given: Option<Linear>,
    /// The packed weights for evaluations, valid until a parameter changes.
    pub(super) packed: OnceLock<MaeWeights>,
}

impl Mae {
    /// The model with these parameters. Panics if they belong to another model.
    pub fn new(spec: &ModelSpec, params: Params) -> Self {
        assert_eq!(**params.layout(), model::mae(spec), "the model's parameters");
        Self::of(spec, params, None)
    }

    /// A decoder of embeddings of `width` numbers ([`model::embedding_decoder`]) with these parameters. Panics if they belong to another model.
    pub fn of_embeddings(spec: &ModelSpec, width: usize, params: Params) -> Self {
        let layout = params.layout();
        assert_eq!(**layout, model::embedding_decoder(spec, width), "the model's parameters");
        let given = Linear::without_bias(layout, "embedding_proj");
        Self::of(spec, params, Some(given))
    }

    fn of(spec: &ModelSpec, params: Params, given: Option<Linear>) -> Self {
        let layout = params.layout().as_ref();
        let slot = |name: &str| layout.tensor(name).slot;
        Self {
            spec: *spec,
            patch_embed: Linear::of(layout, "patch_embed.proj"),
            cls_token: slot("cls_token"),
            positions: slot("pos_embed"),
            encoder: Stack::of(layout, "blocks", spec.encoder),
            norm: LayerNorm::of(layout, "norm"),
            decoder_embed: Linear::of(layout, "decoder_embed"),
            mask_token: slot("mask_token"),
            decoder_positions: slot("decoder_pos_embed"),
            decoder: Stack::of(layout, "decoder_blocks", spec.decoder),
            decoder_norm: LayerNorm::of(layout, "decoder_norm"),
            decoder_pred: Linear::of(layout, "decoder_pred"),
            given,
            params,
            packed: OnceLock::new(),
        }
    }

    /// A new model whose weights are drawn from the seed.
    pub fn drawn(spec: &ModelSpec, seed: u64) -> Self {
        Self::new(spec, Params::draw(model::mae(spec), seed))
    }

    /// Width, depth, heads and sizes.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
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
    pub(super) fn packed(&self, kernels: Kernels) -> &MaeWeights {
        let weights = self.packed.get_or_init(|| MaeWeights::new(self, kernels));
        assert_eq!(weights.kernels, kernels, "a model is always evaluated with the same kernels");
        weights
    }

    /// Mean squared error over the hidden patches' pixels, a scalar, composed.
    ///
    /// # Errors
    /// When the images were prepared for another model.
    pub fn composed_loss(&self, w: &Composed, masked: &MaskedImages) -> Result<Tensor> {
        let hidden = self.grid().count() - masked.visible;
        let prediction = self.composed_decode(w, &self.composed_encode(w, masked)?, masked)?;
        let shape = (masked.images, hidden, self.grid().patch_len());
        (prediction - w.constant(&masked.targets, shape)?)?.sqr()?.mean_all()
    }

    /// The prediction of the hidden patches, `(images, hidden, patch * patch * 3)`, from the encoder's output, composed.
    pub(super) fn composed_decode(
        &self,
        w: &Composed,
        encoded: &Tensor,
        masked: &MaskedImages,
    ) -> Result<Tensor> {
        let hidden = self.grid().count() - masked.visible;
        let mut x = self.decoder_embed.composed(w, encoded)?;
        if let Some(map) = self.given {
            let shape = (masked.images, 1, masked.embeddings.len() / masked.images);
            let first = map.composed(w, &w.constant(&masked.embeddings, shape)?)?;
            let first = first.broadcast_add(w.tensor(self.decoder_embed.bias_slot()))?;
            x = if masked.visible > 0 {
                Tensor::cat(&[&first, &x.narrow(1, 1, masked.visible)?], 1)?
            } else {
                first
            };
        }
        if hidden > 0 {
            let token = w.tensor(self.mask_token);
            let masks = token.broadcast_as((masked.images, hidden, token.dim(2)?))?;
            x = Tensor::cat(&[&x, &masks.contiguous()?], 1)?;
        }
        x = (x + self.composed_places(w, self.decoder_positions, masked, self.grid().count())?)?;
        let tokens = self.decoder.composed(w, x, None)?;
        let tokens = tokens.narrow(1, 1 + masked.visible, hidden)?.contiguous()?;
        let tokens = self.decoder_norm.composed(w, &tokens)?;
        self.decoder_pred.composed(w, &tokens)
    }

    /// `(images, 1 + visible, width)`: the CLS token and the visible patches, encoded and normalised, composed.
    ///
    /// # Errors
    /// When the images were prepared for another model.
    pub fn composed_encode(&self, w: &Composed, masked: &MaskedImages) -> Result<Tensor> {
        let shape = (masked.images, masked.visible, self.grid().patch_len());
        self.composed_encode_of(w, masked, &w.constant(&masked.pixels, shape)?)
    }

    /// The same for these pixels, `(images, visible, 3 * patch * patch)`, in the place of the images' own.
    pub(super) fn composed_encode_of(
        &self,
        w: &Composed,
        masked: &MaskedImages,
        pixels: &Tensor,
    ) -> Result<Tensor> {
        let &MaskedImages { images, visible, .. } = masked;
        let token = w.tensor(self.cls_token);
        let mut x = token.broadcast_as((images, 1, token.dim(2)?))?.contiguous()?;
        if visible > 0 {
            x = Tensor::cat(&[&x, &self.patch_embed.composed(w, pixels)?], 1)?;
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
