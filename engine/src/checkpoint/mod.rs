//! Our checkpoints: safetensors files with MAE's tensor names, written whole or not at all.
//!
//! | file | holds |
//! |---|---|
//! | this one | a checkpoint and what it says of itself |
//! | [`compare`] | two checkpoints, bit by bit |
//! | [`resume`] | where an unfinished training goes on |

pub mod compare;
pub mod resume;

use std::{collections::HashMap, fs, path::Path};

use safetensors::SafeTensors;
use shared::{
    run_kind::RunKind,
    settings::{ModelSpec, TransformerSpec},
};

use crate::{
    EngineError,
    compute::Params,
    files,
    model::{is_of_decoder, mae},
    tensors::{NamedTensor, serialize},
};

/// Version of the program, as checkpoints and manifests name it.
pub const PROGRAM: &str = concat!("maskdoor ", env!("CARGO_PKG_VERSION"));

/// Share of the patches that MAE hides, and that a checkpoint was trained with which does not say.
pub const MASK_RATIO: f64 = 0.75;

/// What a checkpoint says of itself in its header.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointInfo {
    /// The model's sizes.
    pub model: ModelSpec,
    /// The phase that trained it.
    pub phase: RunKind,
    /// Epochs done.
    pub epoch: u32,
    /// Whether its decoder predicts normalised patches.
    pub norm_pix_loss: bool,
    /// Share of the patches that were hidden in its pre-training.
    pub mask_ratio: f64,
    /// Whether the file has a decoder; an imported encoder may come without one, and its model's decoder is a stand-in then.
    pub has_decoder: bool,
}

impl CheckpointInfo {
    /// The header's texts.
    pub fn metadata(&self) -> [(&'static str, String); 7] {
        let model = serde_json::to_string(&self.model).expect("whole numbers always serialise");
        [
            ("model", model),
            ("phase", self.phase.as_str().into()),
            ("epoch", self.epoch.to_string()),
            ("norm_pix_loss", self.norm_pix_loss.to_string()),
            ("mask_ratio", self.mask_ratio.to_string()),
            ("decoder", self.has_decoder.to_string()),
            ("program", PROGRAM.into()),
        ]
    }

    /// From the header's texts.
    ///
    /// # Errors
    /// A sentence that says which of them is missing or wrong.
    pub(crate) fn parse(texts: &HashMap<String, String>) -> Result<Self, String> {
        let text = |key: &str| {
            texts
                .get(key)
                .ok_or_else(|| format!("its header does not say {key}: it is not Maskdoor's"))
        };
        let info = Self {
            model: serde_json::from_str(text("model")?)
                .map_err(|error| format!("model: {error}"))?,
            phase: text("phase")?.parse()?,
            epoch: text("epoch")?.parse().map_err(|error| format!("epoch: {error}"))?,
            norm_pix_loss: text("norm_pix_loss")?
                .parse()
                .map_err(|error| format!("norm_pix_loss: {error}"))?,
            mask_ratio: match texts.get("mask_ratio") {
                Some(text) => text.parse().map_err(|error| format!("mask_ratio: {error}"))?,
                None => MASK_RATIO,
            },
            has_decoder: match texts.get("decoder") {
                Some(text) => text.parse().map_err(|error| format!("decoder: {error}"))?,
                // Before there were others, every checkpoint had one.
                None => true,
            },
        };
        info.check().map(|()| info)
    }

    /// Whether a model of these sizes can be made.
    fn check(&self) -> Result<(), String> {
        let ModelSpec { image_size, patch_size, encoder, decoder } = self.model;
        let fits = |spec: TransformerSpec| {
            let TransformerSpec { dim, heads, .. } = spec;
            dim > 0 && heads > 0 && dim.is_multiple_of(heads) && dim.is_multiple_of(4)
        };
        if !(0.0..=1.0).contains(&self.mask_ratio) {
            return Err(format!("mask_ratio: {} is no share of patches", self.mask_ratio));
        }
        let grid = patch_size > 0 && image_size > 0 && image_size.is_multiple_of(patch_size);
        if grid && fits(encoder) && fits(decoder) {
            Ok(())
        } else {
            Err(format!("its header describes no possible model: {:?}", self.model))
        }
    }
}

/// Writes a model's tensors as the checkpoint of its epoch into the folder, and makes [`files::LAST_CHECKPOINT`] the same. `more` are
/// further texts of its header. Returns the name of the first file.
///
/// # Errors
/// When a file cannot be written.
pub fn save(
    folder: &Path,
    tensors: &[NamedTensor],
    info: &CheckpointInfo,
    more: &[(&'static str, String)],
) -> Result<String, EngineError> {
    let name = files::checkpoint(info.epoch);
    let path = folder.join(&name);
    let texts = [&info.metadata()[..], more].concat();
    write(&path, &serialize(tensors, &texts)?)?;
    let last = folder.join(files::LAST_CHECKPOINT);
    files::link(&path, &last).map_err(EngineError::file(last))?;
    Ok(name)
}

/// Writes a file whole or not at all ([`files::write`]).
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    files::write(path, bytes).map_err(EngineError::file(path))
}

/// Reads the MAE of a checkpoint. Without [`CheckpointInfo::has_decoder`] its decoder is one that nobody trained.
///
/// # Errors
/// When the file cannot be read or holds no MAE that this program can run.
pub fn open(path: &Path) -> Result<(Params, CheckpointInfo), EngineError> {
    let bytes = fs::read(path).map_err(EngineError::file(path))?;
    let wrong = |reason: String| EngineError::Checkpoint { path: path.into(), reason };
    let not_safetensors = |error| wrong(format!("it is no whole safetensors file ({error})"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_safetensors)?;
    let texts = header.metadata().clone().unwrap_or_default();
    let info = CheckpointInfo::parse(&texts).map_err(wrong)?;
    let file = SafeTensors::deserialize(&bytes).map_err(not_safetensors)?;
    let mut params = Params::draw(mae(&info.model), 0);
    params.load_some(&file, |name| info.has_decoder || !is_of_decoder(name)).map_err(wrong)?;
    Ok((params, info))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> CheckpointInfo {
        let model = ModelSpec {
            image_size: 8,
            patch_size: 4,
            encoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
            decoder: TransformerSpec { dim: 4, depth: 1, heads: 1 },
        };
        let (phase, epoch) = (RunKind::Pretrain, 7);
        CheckpointInfo {
            model,
            phase,
            epoch,
            norm_pix_loss: true,
            mask_ratio: 0.6,
            has_decoder: true,
        }
    }

    #[test]
    fn a_model_comes_back_from_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let params = Params::draw(mae(&info().model), 5);
        let name = save(folder.path(), &params.tensors(), &info(), &[]).unwrap();
        assert_eq!(name, "checkpoint-0007.safetensors");
        let later = CheckpointInfo { epoch: 8, ..info() };
        save(folder.path(), &params.tensors(), &later, &[]).unwrap();
        for (name, want) in [(name.as_str(), info()), (files::LAST_CHECKPOINT, later)] {
            let (read, info) = open(&folder.path().join(name)).unwrap();
            assert_eq!(info, want);
            assert_eq!(read.digest(), params.digest());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no part is left");
    }

    #[test]
    fn a_header_without_a_mask_ratio_is_that_of_mae() {
        let mut texts: HashMap<String, String> =
            info().metadata().into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
        assert_eq!(CheckpointInfo::parse(&texts), Ok(info()));
        texts.remove("mask_ratio");
        assert_eq!(
            CheckpointInfo::parse(&texts),
            Ok(CheckpointInfo { mask_ratio: 0.75, ..info() })
        );
        texts.insert("mask_ratio".into(), "nan".into());
        assert!(CheckpointInfo::parse(&texts).unwrap_err().starts_with("mask_ratio: "));
    }

    #[test]
    fn what_is_no_checkpoint_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let reason = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            open(&path).unwrap_err().to_string()
        };
        assert!(reason(b"text").contains("no whole safetensors file"));
        let tensor = NamedTensor { name: "x".into(), shape: vec![1], values: vec![0.0] };
        let foreign = serialize(&[tensor], &[]).unwrap();
        assert!(reason(&foreign).contains("it is not Maskdoor's"));
        let empty = serialize(&[], &info().metadata()).unwrap();
        assert!(reason(&empty).contains("it has no tensor cls_token"));
        let mut impossible = info();
        impossible.model.patch_size = 0;
        let file = serialize(&[], &impossible.metadata()).unwrap();
        assert!(reason(&file).contains("no possible model"));
        assert!(open(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
