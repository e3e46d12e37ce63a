//! The masked autoencoder (He et al. 2022, "Masked autoencoders are scalable vision learners").
//!
//! Tokens keep the random order in which the patches were drawn, in the encoder and in the decoder: attention does not look
//! at places, each token carries its position in its embedding, so putting them back in order before the decoder (as
//! the paper's figure shows it) would change nothing but the time it takes.

use candle_core::{DType, Device, Result, Tensor};
use shared::study::{ModelSpec, TransformerSpec};

use super::patches::{MaskedImages, PatchGrid};
use crate::nn::{Block, Init, LayerNorm, Linear, Params, PatchEmbed, repeat_token, sin_cos_table};

/// The masked autoencoder.
#[derive(Debug)]
pub struct Mae {
    spec: ModelSpec,
    params: Params,
    patch_embed: PatchEmbed,
    /// `(1, 1, width)`
    cls_token: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    decoder_embed: Linear,
    /// `(1, 1, decoder width)`
    mask_token: Tensor,
    decoder_blocks: Vec<Block>,
    decoder_norm: LayerNorm,
    decoder_pred: Linear,
    /// `(1 + patches) * width` numbers, the CLS token's row first.
    positions: Vec<f32>,
    /// `(1 + patches) * decoder width` numbers.
    decoder_positions: Vec<f32>,
}

impl Mae {
    /// A new model whose weights come from the seed. `dtype` is `F32`; tests that need more digits take `F64`.
    ///
    /// # Errors
    /// When candle cannot make it.
    pub fn new(spec: &ModelSpec, seed: u64, dtype: DType) -> Result<Self> {
        let grid = (spec.image_size / spec.patch_size) as usize;
        let patch = spec.patch_size as usize;
        let (encoder, decoder) = (spec.encoder, spec.decoder);
        let (width, decoder_width) = (encoder.dim as usize, decoder.dim as usize);
        let token = Init::Normal { deviation: 0.02 };
        let params = &mut Params::new(seed, dtype);
        let cls_token = params.add("cls_token", (1, 1, width), token)?;
        let table = |width| (sin_cos_table(width, grid), (1, 1 + grid * grid, width));
        let (positions, shape) = table(width);
        params.add_fixed("pos_embed", shape, positions.clone())?;
        let patch_embed = PatchEmbed::new(params, patch, width)?;
        let blocks = blocks(params, "blocks", encoder)?;
        let norm = LayerNorm::new(params, "norm", width)?;
        let decoder_embed = Linear::new(params, "decoder_embed", width, decoder_width)?;
        let mask_token = params.add("mask_token", (1, 1, decoder_width), token)?;
        let (decoder_positions, shape) = table(decoder_width);
        params.add_fixed("decoder_pos_embed", shape, decoder_positions.clone())?;
        let decoder_blocks = self::blocks(params, "decoder_blocks", decoder)?;
        let decoder_norm = LayerNorm::new(params, "decoder_norm", decoder_width)?;
        let decoder_pred = Linear::new(params, "decoder_pred", decoder_width, 3 * patch * patch)?;
        Ok(Self {
            spec: *spec,
            params: std::mem::replace(params, Params::new(seed, dtype)),
            patch_embed,
            cls_token,
            blocks,
            norm,
            decoder_embed,
            mask_token,
            decoder_blocks,
            decoder_norm,
            decoder_pred,
            positions,
            decoder_positions,
        })
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

    /// Takes over the parameters from a checkpoint's content.
    ///
    /// # Errors
    /// A sentence that names the tensor that does not fit.
    pub fn load(&mut self, file: &safetensors::SafeTensors<'_>) -> std::result::Result<(), String> {
        self.params.load(file)?;
        self.read_tables()
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
        self.params.load_some(file, encoder)?;
        self.read_tables()
    }

    fn read_tables(&mut self) -> std::result::Result<(), String> {
        let table = |name: &str| {
            let param = self.params.get(name).expect("the tables are parameters of every model");
            param.values().map_err(|error| error.to_string())
        };
        (self.positions, self.decoder_positions) =
            (table("pos_embed")?, table("decoder_pos_embed")?);
        Ok(())
    }

    /// Mean squared error over the hidden patches' pixels: a number without dimensions.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn forward_loss(&self, masked: &MaskedImages) -> Result<Tensor> {
        let hidden = self.grid().count() - masked.visible;
        let tokens = self.decode(&self.encode(masked)?, masked)?;
        let tokens = tokens.narrow(1, 1 + masked.visible, hidden)?.contiguous()?;
        let prediction = self.decoder_pred.forward(&self.decoder_norm.forward(&tokens)?)?;
        let targets =
            self.tensor(&masked.targets, (masked.images, hidden, self.grid().patch_len()))?;
        (prediction - targets)?.sqr()?.mean_all()
    }

    /// The decoder's prediction for every patch, visible or hidden: `(images, patches, patch * patch * 3)`, patches in
    /// the order of `masked`, pixels in the target's space.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn predict(&self, masked: &MaskedImages) -> Result<Tensor> {
        let tokens = self.decode(&self.encode(masked)?, masked)?;
        let tokens = tokens.narrow(1, 1, self.grid().count())?.contiguous()?;
        self.decoder_pred.forward(&self.decoder_norm.forward(&tokens)?)
    }

    /// CLS features after the final norm, `(images, width)`. What is hidden in `masked` stays hidden: show every patch.
    ///
    /// # Errors
    /// When the images were made for another model.
    pub fn features(&self, masked: &MaskedImages) -> Result<Tensor> {
        self.encode(masked)?.narrow(1, 0, 1)?.squeeze(1)
    }

    /// `(images, 1 + visible, width)`: the CLS token and the visible patches, encoded and normalised.
    fn encode(&self, masked: &MaskedImages) -> Result<Tensor> {
        let &MaskedImages { images, visible, .. } = masked;
        let mut x = repeat_token(&self.cls_token, images, 1)?;
        if visible > 0 {
            let pixels = self.tensor(&masked.pixels, (images, visible, self.grid().patch_len()))?;
            x = Tensor::cat(&[&x, &self.patch_embed.forward(&pixels)?], 1)?;
        }
        x = (x + self.places(&self.positions, masked, visible)?)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        self.norm.forward(&x)
    }

    /// `(images, 1 + patches, decoder width)`: CLS, visible and hidden patches after the decoder's blocks.
    fn decode(&self, encoded: &Tensor, masked: &MaskedImages) -> Result<Tensor> {
        let hidden = self.grid().count() - masked.visible;
        let mut x = self.decoder_embed.forward(encoded)?;
        if hidden > 0 {
            let masks = repeat_token(&self.mask_token, masked.images, hidden)?;
            x = Tensor::cat(&[&x, &masks], 1)?;
        }
        x = (x + self.places(&self.decoder_positions, masked, self.grid().count())?)?;
        for block in &self.decoder_blocks {
            x = block.forward(&x)?;
        }
        Ok(x)
    }

    /// The position rows of the CLS token and of each image's first `take` patches: `(images, 1 + take, width)`.
    fn places(&self, table: &[f32], masked: &MaskedImages, take: usize) -> Result<Tensor> {
        let patches = self.grid().count();
        let width = table.len() / (1 + patches);
        let mut rows = Vec::with_capacity(masked.images * (1 + take) * width);
        for order in masked.order.chunks_exact(patches) {
            rows.extend_from_slice(&table[..width]);
            for &index in &order[..take] {
                let start = (1 + index as usize) * width;
                rows.extend_from_slice(&table[start..start + width]);
            }
        }
        self.tensor(&rows, (masked.images, 1 + take, width))
    }

    fn tensor(&self, values: &[f32], shape: (usize, usize, usize)) -> Result<Tensor> {
        Tensor::from_slice(values, shape, &Device::Cpu)?.to_dtype(self.params.dtype())
    }
}

/// The blocks of an encoder or a decoder.
pub(super) fn blocks(params: &mut Params, name: &str, spec: TransformerSpec) -> Result<Vec<Block>> {
    let (width, heads) = (spec.dim as usize, spec.heads as usize);
    (0..spec.depth).map(|i| Block::new(params, &format!("{name}.{i}"), width, heads)).collect()
}
