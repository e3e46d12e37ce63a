//! The masked autoencoder (He et al. 2022, "Masked autoencoders are scalable vision learners").

use shared::settings::ModelSpec;

use super::{
    layout::{Init, Layout},
    parts::TOKEN,
};

/// The tensors of the masked autoencoder: the encoder's, then the decoder's.
pub fn mae(spec: &ModelSpec) -> Layout {
    let (grid, patch) = ((spec.image_size / spec.patch_size) as usize, spec.patch_size as usize);
    let (width, decoder_width) = (spec.encoder.dim as usize, spec.decoder.dim as usize);
    let table = Init::SinCos { grid };
    let rows = 1 + grid * grid;
    let mut layout = Layout::default();
    layout.add("cls_token", &[1, 1, width], TOKEN);
    layout.add_fixed("pos_embed", &[1, rows, width], table);
    layout.add_patch_embedding(patch, width);
    layout.add_blocks("blocks", spec.encoder);
    layout.add_norm("norm", width);
    layout.add_linear("decoder_embed", width, decoder_width);
    layout.add("mask_token", &[1, 1, decoder_width], TOKEN);
    layout.add_fixed("decoder_pos_embed", &[1, rows, decoder_width], table);
    layout.add_blocks("decoder_blocks", spec.decoder);
    layout.add_norm("decoder_norm", decoder_width);
    layout.add_linear("decoder_pred", decoder_width, 3 * patch * patch);
    layout
}

/// The tensors of a decoder of embeddings of `width` numbers, as `DeDe` trains one (Hou, Li and Yao 2025): those of a masked autoencoder, and
/// `embedding_proj.weight`, which maps an embedding to the first token of its decoder.
pub fn embedding_decoder(spec: &ModelSpec, width: usize) -> Layout {
    let mut layout = mae(spec);
    let outputs = spec.decoder.dim as usize;
    let init = Init::Xavier { inputs: width, outputs };
    layout.add("embedding_proj.weight", &[outputs, width], init);
    layout
}

/// Whether a tensor of the masked autoencoder belongs to the decoder.
pub fn is_of_decoder(name: &str) -> bool {
    name.starts_with("decoder_") || name == "mask_token"
}
