//! `config.json` of Hugging Face: read beside a file for what its shapes do not tell, written beside an export.

use std::{
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};

use super::weights::placeholder;
use crate::{checkpoint::CheckpointInfo, files::open};

/// Name of the file.
pub(super) const FILE: &str = "config.json";
/// Longest one that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// Added to the variance in every norm of ours.
const EPSILON: f64 = 1e-6;

/// What is read of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    /// Heads of the encoder.
    pub num_attention_heads: Option<u32>,
    /// Heads of the decoder.
    pub decoder_num_attention_heads: Option<u32>,
    /// Whether the decoder predicts normalised patches.
    pub norm_pix_loss: Option<bool>,
    /// Share of the patches that are hidden.
    pub mask_ratio: Option<f64>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
}

impl Config {
    /// The one beside a file; `None` when there is none.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read, or what in it no model of ours can be.
    pub fn beside(file: &Path, assumed: &mut Vec<String>) -> Result<Option<Self>, String> {
        let Some(text) = read_beside(file, FILE, LONGEST)? else { return Ok(None) };
        let config: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("the {FILE} beside it is no model's: {error}"))?;
        if let Some(act) = config.hidden_act.as_deref().filter(|act| *act != "gelu") {
            return Err(format!("its activation is {act}, and not the exact gelu of MAE"));
        }
        if let Some(epsilon) = config.layer_norm_eps.filter(|&epsilon| epsilon != EPSILON) {
            assumed.push(format!(
                "norms add {EPSILON:e} to the variance, where {FILE} says {epsilon:e}"
            ));
        }
        Ok(Some(config))
    }
}

/// A number, or a list that has it several times: some programs write `[224, 224]` for height and width.
///
/// # Errors
/// When it is neither.
pub(super) fn number_or_equal_list<'de, D: Deserializer<'de>>(source: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(u32),
        Several(Vec<u32>),
    }
    match Written::deserialize(source)? {
        Written::One(number) => Ok(number),
        Written::Several(numbers) => match numbers.split_first() {
            Some((&first, rest)) if rest.iter().all(|&number| number == first) => Ok(first),
            _ => Err(D::Error::custom(format!(
                "{numbers:?} for a square's side; equal numbers are needed"
            ))),
        },
    }
}

/// The content of a file beside another one, at most `longest` bytes; `None` when there is none.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub(super) fn read_beside(
    file: &Path,
    name: &str,
    longest: u64,
) -> Result<Option<Vec<u8>>, String> {
    let path = file.with_file_name(name);
    let read = open(&path).and_then(|mut file| {
        if file.metadata()?.len() > longest {
            let megabytes = longest >> 20;
            return Err(io::Error::other(format!("it is longer than {megabytes} MiB")));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map(|_| text)
    });
    match read {
        Ok(text) => match placeholder(&text) {
            Some(what) => Err(format!("the {name} beside it cannot be read: {what}")),
            None => Ok(Some(text)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("the {name} beside it cannot be read: {error}")),
    }
}

/// The `config.json` of a checkpoint, for `ViTMAEForPreTraining`, or `ViTMAEModel` where there is no decoder.
pub(super) fn write(info: &CheckpointInfo) -> Value {
    let encoder = info.model.encoder;
    let mut config = json!({
        "architectures": ["ViTMAEModel"],
        "model_type": "vit_mae",
        "image_size": info.model.image_size,
        "patch_size": info.model.patch_size,
        "num_channels": 3,
        "hidden_size": encoder.dim,
        "num_hidden_layers": encoder.depth,
        "num_attention_heads": encoder.heads,
        "intermediate_size": 4 * encoder.dim,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": EPSILON,
        "qkv_bias": true,
        "mask_ratio": info.mask_ratio,
        "norm_pix_loss": info.norm_pix_loss,
    });
    if info.has_decoder {
        let decoder = info.model.decoder;
        config["architectures"] = json!(["ViTMAEForPreTraining"]);
        config["decoder_hidden_size"] = json!(decoder.dim);
        config["decoder_num_hidden_layers"] = json!(decoder.depth);
        config["decoder_num_attention_heads"] = json!(decoder.heads);
        config["decoder_intermediate_size"] = json!(4 * decoder.dim);
    }
    config
}

#[cfg(test)]
mod tests {
    use shared::{
        run_kind::RunKind,
        study::{ModelSpec, TransformerSpec},
    };

    use super::*;

    #[test]
    fn what_was_not_downloaded_is_called_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        assert_eq!(read_beside(&weights, FILE, LONGEST), Ok(None));
        for (content, what) in [
            ("", "it is empty"),
            (
                "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
                "it is a Git LFS pointer",
            ),
            ("<!DOCTYPE html><html>", "it is an HTML page"),
        ] {
            std::fs::write(weights.with_file_name(FILE), content).unwrap();
            let error = read_beside(&weights, FILE, LONGEST).unwrap_err();
            let begins = format!("the config.json beside it cannot be read: {what}");
            assert!(error.starts_with(&begins), "{error}");
        }
    }

    #[test]
    fn an_export_says_how_its_model_was_trained() {
        let part = |dim| TransformerSpec { dim, depth: 1, heads: 1 };
        let (encoder, decoder) = (part(8), part(4));
        let info = CheckpointInfo {
            model: ModelSpec { image_size: 8, patch_size: 4, encoder, decoder },
            phase: RunKind::Pretrain,
            epoch: 3,
            norm_pix_loss: true,
            mask_ratio: 0.6,
            has_decoder: true,
        };
        let written = write(&info);
        assert_eq!(written["mask_ratio"], json!(0.6));
        let read: Config = serde_json::from_value(written).unwrap();
        assert_eq!((read.mask_ratio, read.norm_pix_loss), (Some(0.6), Some(true)));
    }
}
