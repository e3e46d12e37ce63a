//! A model's sizes from the shapes of its tensors. Heads leave no trace in a shape: they are told, or go by custom.

use shared::settings::{ModelSpec, TransformerSpec};

use super::{
    names::Naming,
    shapes::{Named, named},
    tensors::TensorFile,
};
use crate::model::{is_of_decoder, mae};

/// Widths that published models have, with their heads: ViT-Ti, S, B, L, H.
const ENCODER_HEADS: [(u32, u32); 5] = [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16)];
/// The same of decoders: MAE's.
const DECODER_HEADS: [(u32, u32); 1] = [(512, 16)];
/// The decoder that stands in the sizes of an encoder without one. It is never run.
const NO_DECODER: TransformerSpec = TransformerSpec { dim: 4, depth: 1, heads: 1 };

/// Heads that are known from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heads {
    /// Of the encoder.
    pub encoder: Option<u32>,
    /// Of the decoder.
    pub decoder: Option<u32>,
}

/// What the shapes tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sizes {
    /// The model for the images that it was trained on.
    pub model: ModelSpec,
    /// Whether there is a decoder; without one, the model's is a stand-in.
    pub has_decoder: bool,
}

/// Reads the sizes off; what had to be assumed is added to `assumed`.
///
/// # Errors
/// A sentence that names the tensor that is missing or has an impossible shape, and what was expected.
pub(super) fn infer(
    file: &TensorFile<'_>,
    naming: Naming,
    heads: Heads,
    assumed: &mut Vec<String>,
) -> Result<Sizes, String> {
    let shapes = Shapes { file, naming };
    let [dim, channels, patch, across] =
        shapes.get("patch_embed.proj.weight", "[width, 3, patch, patch]")?;
    if channels != 3 || patch != across || patch == 0 {
        return Err(shapes.wrong("patch_embed.proj.weight", "[width, 3, patch, patch]"));
    }
    let expected = format!("[1, 1 + a square number of patches, {dim}], the CLS token's row first");
    let [one, rows, width] = shapes.get("pos_embed", &expected)?;
    let grid = rows.saturating_sub(1).isqrt();
    if one != 1 || width != dim || grid == 0 || grid * grid + 1 != rows {
        return Err(shapes.wrong("pos_embed", &expected));
    }
    let encoder = shapes.stack(
        dim,
        "blocks",
        ("encoder", "heads"),
        (heads.encoder, &ENCODER_HEADS),
        assumed,
    )?;
    let has_decoder = shapes.find("decoder_embed.weight").is_some();
    let decoder = if has_decoder {
        let [width, from] = shapes.get("decoder_embed.weight", "[decoder width, width]")?;
        if from != dim {
            return Err(shapes.wrong("decoder_embed.weight", &format!("[decoder width, {dim}]")));
        }
        let known = (heads.decoder, &DECODER_HEADS[..]);
        shapes.stack(width, "decoder_blocks", ("decoder", "decoder-heads"), known, assumed)?
    } else {
        NO_DECODER
    };
    let (image_size, patch_size) = (size(grid.saturating_mul(patch))?, size(patch)?);
    Ok(Sizes { model: ModelSpec { image_size, patch_size, encoder, decoder }, has_decoder })
}

/// The tensors of a model of these sizes with their shapes, in the order of a checkpoint.
pub(super) fn layout(model: &ModelSpec, has_decoder: bool) -> Vec<Named> {
    let mut list = named(&mae(model));
    list.retain(|(name, _)| has_decoder || !is_of_decoder(name));
    list
}

/// The shapes of a file by our names.
struct Shapes<'f, 'a> {
    file: &'f TensorFile<'a>,
    naming: Naming,
}

impl Shapes<'_, '_> {
    fn find(&self, ours: &str) -> Option<&[usize]> {
        self.file.shape(&self.naming.of(ours)[0])
    }

    fn get<const RANK: usize>(&self, ours: &str, expected: &str) -> Result<[usize; RANK], String> {
        let shape = self.find(ours).ok_or_else(|| {
            format!("it has no tensor {}; expected is one of {expected}", self.naming.of(ours)[0])
        })?;
        shape.try_into().map_err(|_| self.wrong(ours, expected))
    }

    fn wrong(&self, ours: &str, expected: &str) -> String {
        let shape = self.find(ours).unwrap_or_default();
        format!("{} has the shape {shape:?}, not {expected}", self.naming.of(ours)[0])
    }

    /// The blocks of this name: as many as there are, counted from 0.
    fn stack(
        &self,
        width: usize,
        blocks: &str,
        (what, option): (&str, &str),
        (told, usual): (Option<u32>, &[(u32, u32)]),
        assumed: &mut Vec<String>,
    ) -> Result<TransformerSpec, String> {
        let there = |i: &usize| self.find(&format!("{blocks}.{i}.norm1.weight")).is_some();
        let (dim, depth) =
            (size(width)?, size((0..self.file.tensors.len()).take_while(there).count())?);
        if depth == 0 {
            let first = &self.naming.of(&format!("{blocks}.0.norm1.weight"))[0];
            return Err(format!("it has no tensor {first}: the {what} has no block"));
        }
        let custom = || {
            let (_, heads) = usual.iter().find(|(usual, _)| *usual == dim)?;
            assumed.push(format!(
                "{what}: {heads} heads, as is usual at width {dim} (otherwise --{option})"
            ));
            Some(*heads)
        };
        let heads = told.or_else(custom).ok_or_else(|| {
            format!(
                "the {what} is {dim} wide, which has no usual number of heads: give it with --{option}"
            )
        })?;
        if dim == 0 || !dim.is_multiple_of(4) {
            return Err(format!("the {what} is {dim} wide; the width is to be a multiple of 4"));
        }
        if heads == 0 || !dim.is_multiple_of(heads) {
            return Err(format!("the {what}'s width {dim} cannot be divided into {heads} heads"));
        }
        Ok(TransformerSpec { dim, depth, heads })
    }
}

fn size(number: usize) -> Result<u32, String> {
    u32::try_from(number).map_err(|_| format!("a size of {number} is no model's"))
}
