//! From another program's file to a checkpoint of ours.

use std::{collections::BTreeSet, path::Path};

use sha2::{Digest, Sha256};
use shared::{run_kind::RunKind, settings::ModelSpec};

use super::{
    config::Config,
    entry::{Use, select},
    names::Naming,
    positions::interpolate_positions,
    sizes::{Heads, Sizes, infer, layout},
    tensors::TensorFile,
    weights::Weights,
};
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo, MASK_RATIO},
    hash::hex,
    tensors::{NamedTensor, serialize},
};

/// Most patches along a side of the images that positions are interpolated for.
const MOST_PATCHES: u32 = 64;

/// What a person says of a file beyond what it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Side of the images to see in pixels, where it is not the one that the model was trained on.
    pub image_size: Option<u32>,
    /// Heads of the encoder.
    pub heads: Option<u32>,
    /// Heads of the decoder.
    pub decoder_heads: Option<u32>,
    /// Whether the decoder predicts normalised patches.
    pub norm_pix_loss: Option<bool>,
    /// The transformer to take of a file that holds several.
    pub entry: Option<String>,
}

/// A file's model, in memory.
#[derive(Debug)]
pub struct Imported {
    /// What its checkpoint says of itself.
    pub info: CheckpointInfo,
    /// What the file was, in a few words.
    pub format: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// What the file does not say and was assumed, a sentence each.
    pub assumed: Vec<String>,
    tensors: Vec<NamedTensor>,
}

impl Imported {
    /// Reads a `.pth` of MAE or timm, a safetensors file with MAE's, timm's or Hugging Face's names, or a folder of such files. Nothing in the file is
    /// run.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no vision transformer that this program can run; in words that name the
    /// tensor.
    pub fn read(path: &Path, options: &ImportOptions) -> Result<Self, EngineError> {
        let Weights { path, files } = Weights::read(path)?;
        Self::from_files(&files, &path, options)
            .map_err(|reason| EngineError::Checkpoint { path, reason })
    }

    /// As [`read`](Self::read), from the files' bytes; the path says where a `config.json` may be.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn from_files(
        files: &[Vec<u8>],
        path: &Path,
        options: &ImportOptions,
    ) -> Result<Self, String> {
        let (file, container) = Weights::tensors(files)?;
        let (file, naming) = select(file, options.entry.as_deref(), Use::Encoder)?;
        let file_bytes = files.iter().map(Vec::len).sum();
        let mut assumed = Vec::new();
        let config = match naming {
            Naming::HuggingFace { .. } => Config::beside(path, &mut assumed)?.unwrap_or_default(),
            Naming::Mae => Config::default(),
        };
        // A checkpoint of this program says all of its sizes.
        let own: Option<ModelSpec> =
            file.texts.get("model").and_then(|text| serde_json::from_str(text).ok());
        let heads = Heads {
            encoder: options
                .heads
                .or(config.num_attention_heads)
                .or(own.map(|own| own.encoder.heads)),
            decoder: options
                .decoder_heads
                .or(config.decoder_num_attention_heads)
                .or(own.map(|own| own.decoder.heads)),
        };
        let Sizes { mut model, has_decoder } = infer(&file, naming, heads, &mut assumed)?;
        let mut tensors =
            read_tensors(file_bytes, &file, naming, &model, has_decoder, &mut assumed)?;
        if let Some(side) = options.image_size.filter(|&side| side != model.image_size) {
            resize(&mut tensors, &mut model, side)?;
            assumed.push(format!("positions are interpolated to images of {side} px"));
        }
        let said = file.texts.get("norm_pix_loss").and_then(|text| text.parse().ok());
        let said = options.norm_pix_loss.or(config.norm_pix_loss).or(said);
        if has_decoder && said.is_none() {
            assumed.push("its decoder predicts plain patches, not normalised ones".into());
        }
        let own_ratio = file.texts.get("mask_ratio").and_then(|text| text.parse().ok());
        let mask_ratio = config.mask_ratio.or(own_ratio).unwrap_or(MASK_RATIO);
        if !(0.0..=1.0).contains(&mask_ratio) {
            return Err(format!("its mask_ratio is {mask_ratio}, which is no share of patches"));
        }
        let epoch = file.texts.get("epoch").and_then(|text| text.parse().ok()).unwrap_or(0);
        let norm_pix_loss = said.unwrap_or(false);
        Ok(Self {
            info: CheckpointInfo {
                model,
                phase: RunKind::Pretrain,
                epoch,
                norm_pix_loss,
                mask_ratio,
                has_decoder,
            },
            format: format!("{container} with {}", naming.describe()),
            sha256: hex(&files.iter().fold(Sha256::new(), Digest::chain_update).finalize()),
            assumed,
            tensors,
        })
    }

    /// Numbers of the model, position tables included.
    pub fn parameters(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.values.len() as u64).sum()
    }

    /// Writes the checkpoint, whole or not at all; `texts` go into its header beside what it says of itself. Returns its size
    /// in bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(self, path: &Path, texts: &[(&str, String)]) -> Result<u64, EngineError> {
        let mut header = self.info.metadata().to_vec();
        header.extend([("format", self.format), ("sha256", self.sha256)]);
        header.push(("assumed", self.assumed.join("; ")));
        header.extend_from_slice(texts);
        let bytes = serialize(&self.tensors, &header)?;
        drop(self.tensors);
        checkpoint::write(path, &bytes)?;
        Ok(bytes.len() as u64)
    }
}

/// All tensors of the model under our names.
fn read_tensors(
    file_bytes: usize,
    file: &TensorFile<'_>,
    naming: Naming,
    model: &ModelSpec,
    has_decoder: bool,
    assumed: &mut Vec<String>,
) -> Result<Vec<NamedTensor>, String> {
    let wanted: Vec<_> = layout(model, has_decoder)
        .into_iter()
        .map(|(name, shape)| (theirs(file, naming, &name, assumed), name, shape))
        .collect();
    // Before anything is read: a few bytes may describe many tensors over the same data.
    let names = wanted.iter().flat_map(|(theirs, ..)| theirs);
    let bytes = names.clone().fold(0usize, |sum, name| sum.saturating_add(file.bytes(name)));
    if bytes > file_bytes {
        return Err(format!("its tensors would take {bytes} bytes, more than the file has"));
    }
    let known: BTreeSet<&str> = names.map(String::as_str).collect();
    let stranger = file
        .tensors
        .keys()
        .find(|name| !known.contains(name.as_str()) && !naming.is_beside_the_encoder(name));
    if let Some(name) = stranger {
        let shape = file.shape(name).unwrap_or_default();
        return Err(format!(
            "it has the tensor {name} of the shape {shape:?}, which a plain vision transformer has not"
        ));
    }
    wanted
        .into_iter()
        .map(|(theirs, name, shape)| {
            let mut part = shape.clone();
            part[0] /= theirs.len();
            let mut values = Vec::with_capacity(theirs.len().min(1));
            for theirs in &theirs {
                values.extend(file.floats(theirs, &part)?);
            }
            Ok(NamedTensor { name, shape, values })
        })
        .collect()
}

/// What the file calls a tensor of ours. A classifier on the mean of all patches has its last norm under another name.
fn theirs(
    file: &TensorFile<'_>,
    naming: Naming,
    ours: &str,
    assumed: &mut Vec<String>,
) -> Vec<String> {
    let other = format!("fc_{ours}");
    let is_norm = naming == Naming::Mae && ours.starts_with("norm.");
    if is_norm && file.shape(ours).is_none() && file.shape(&other).is_some() {
        if ours.ends_with("weight") {
            assumed.push(
                "its fc_norm, trained on the mean of the patches, is the encoder's last norm"
                    .into(),
            );
        }
        return vec![other];
    }
    naming.of(ours)
}

/// Makes the model one for images of another size.
fn resize(tensors: &mut [NamedTensor], model: &mut ModelSpec, side: u32) -> Result<(), String> {
    let patch = model.patch_size;
    let (from, to) = (model.image_size / patch, side / patch);
    if side == 0 || !side.is_multiple_of(patch) || to > MOST_PATCHES {
        return Err(format!(
            "an image size of {side} cannot be had: it is to be a multiple of the patch size {patch}, at most {}",
            MOST_PATCHES * patch
        ));
    }
    for tensor in tensors.iter_mut().filter(|tensor| tensor.name.ends_with("pos_embed")) {
        tensor.values = interpolate_positions(&tensor.values, from as usize, to as usize)
            .map_err(|error| format!("{}: {error}", tensor.name))?;
        tensor.shape[1] = 1 + (to as usize).pow(2);
    }
    model.image_size = side;
    Ok(())
}
