//! From a checkpoint of ours to files of other programs.

use std::{path::Path, str::FromStr};

use super::{config, names::Naming, sizes::layout};
use crate::{
    EngineError, checkpoint,
    files::LAST_CHECKPOINT,
    tensors::{NamedTensor, serialize},
};

/// For whom a checkpoint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// facebookresearch/mae: all tensors under its names.
    Mae,
    /// transformers: `model.safetensors` and `config.json`.
    HuggingFace,
    /// timm: the encoder alone.
    Timm,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mae, Self::HuggingFace, Self::Timm];

    /// The name in addresses and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::HuggingFace => "huggingface",
            Self::Timm => "timm",
        }
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| format!("a format is mae, huggingface or timm, not {text:?}"))
    }
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFile {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The files of a checkpoint in a format: one, or for Hugging Face two.
///
/// # Errors
/// When the checkpoint cannot be read, or is a classifier's head.
pub fn export(path: &Path, format: ExportFormat) -> Result<Vec<ExportFile>, EngineError> {
    let (params, info) = checkpoint::open(path)?;
    let with_decoder = info.has_decoder && format != ExportFormat::Timm;
    let names: Vec<String> =
        layout(&info.model, with_decoder).into_iter().map(|(name, _)| name).collect();
    let mut tensors = params.tensors();
    drop(params);
    tensors.retain(|tensor| names.contains(&tensor.name));
    let texts = match format {
        ExportFormat::Mae => info.metadata().to_vec(),
        // transformers and timm look for this word before they read a file.
        ExportFormat::HuggingFace | ExportFormat::Timm => vec![("format", "pt".to_owned())],
    };
    if format != ExportFormat::HuggingFace {
        let name = LAST_CHECKPOINT;
        return Ok(vec![ExportFile { name, bytes: serialize(&tensors, &texts)? }]);
    }
    let naming = Naming::HuggingFace { prefix: if info.has_decoder { "vit." } else { "" } };
    let tensors: Vec<NamedTensor> =
        tensors.into_iter().flat_map(|tensor| renamed(naming, tensor)).collect();
    let config = serde_json::to_vec_pretty(&config::write(&info)).expect("its keys are texts");
    Ok(vec![
        ExportFile { name: "model.safetensors", bytes: serialize(&tensors, &texts)? },
        ExportFile { name: config::FILE, bytes: config },
    ])
}

/// The tensor under its other names; query, key and value each get their rows.
pub(super) fn renamed(naming: Naming, tensor: NamedTensor) -> Vec<NamedTensor> {
    let NamedTensor { name, mut shape, values } = tensor;
    let names = naming.of(&name);
    shape[0] /= names.len();
    let part = values.len() / names.len();
    let parts = names.into_iter().zip(values.chunks(part.max(1)));
    parts
        .map(|(name, values)| NamedTensor { name, shape: shape.clone(), values: values.to_vec() })
        .collect()
}
