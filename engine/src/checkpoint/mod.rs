//! Our checkpoints: safetensors files with MAE's tensor names, written atomically.
//!
//! | file | holds |
//! |---|---|
//! | this one | a checkpoint and the information in its header |
//! | [`compare`] | two checkpoints, bit by bit |
//! | [`resume`] | the state from which an unfinished training resumes |

pub mod compare;
pub mod resume;

use std::{collections::HashMap, fs, path::Path};

use safetensors::{SafeTensorError, SafeTensors};
use shared::{
    run_kind::RunKind,
    settings::{ModelSpec, Pooling, TransformerSpec},
};

use crate::{
    EngineError,
    compute::Params,
    files,
    model::{is_of_decoder, mae, vit},
    tensors::{NamedTensor, serialize, verify},
};

/// Version of the program, as recorded in checkpoints and manifests.
pub const PROGRAM: &str = concat!("maskdoor ", env!("CARGO_PKG_VERSION"));

/// Share of the patches that MAE hides; assumed for checkpoints that do not record theirs.
pub const MASK_RATIO: f64 = 0.75;

/// What a checkpoint records about itself in its header.
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
    /// Share of the patches that were hidden during its pre-training.
    pub mask_ratio: f64,
    /// Whether the file has a decoder. An imported encoder may come without one; the model's decoder is then untrained.
    pub has_decoder: bool,
}

impl CheckpointInfo {
    /// The header's metadata.
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

    /// Parses the header's metadata.
    ///
    /// # Errors
    /// A message that says which entry is missing or wrong.
    pub(crate) fn parse(texts: &HashMap<String, String>) -> Result<Self, String> {
        let text = |key: &str| {
            texts
                .get(key)
                .ok_or_else(|| format!("its header has no entry {key}: it is not Maskdoor's"))
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
                // Older checkpoints do not record it; all of them have a decoder.
                None => true,
            },
        };
        info.check().map(|()| info)
    }

    /// Checks that a model of these sizes is possible.
    fn check(&self) -> Result<(), String> {
        let ModelSpec { image_size, patch_size, encoder, decoder } = self.model;
        let fits = |spec: TransformerSpec| {
            let TransformerSpec { dim, heads, .. } = spec;
            dim > 0 && heads > 0 && dim.is_multiple_of(heads) && dim.is_multiple_of(4)
        };
        if !(0.0..=1.0).contains(&self.mask_ratio) {
            return Err(format!("mask_ratio: {} is not between 0 and 1", self.mask_ratio));
        }
        let grid = patch_size > 0 && image_size > 0 && image_size.is_multiple_of(patch_size);
        if grid && fits(encoder) && fits(decoder) {
            Ok(())
        } else {
            Err(format!("its header describes an impossible model: {:?}", self.model))
        }
    }
}

/// Writes a model's tensors into the folder as the checkpoint of its epoch, and makes [`files::LAST_CHECKPOINT`] the same. `more`
/// holds further metadata for its header. Returns the name of the epoch's file.
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

/// Writes a file atomically ([`files::write`]).
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    files::write(path, bytes).map_err(EngineError::file(path))
}

/// Checks that a file is a whole safetensors file with the checksum that it was written with, if it has one.
///
/// # Errors
/// A sentence without a full stop that says what is wrong.
pub fn check(path: &Path) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("it cannot be read ({error})"))?;
    SafeTensors::deserialize(&bytes).map_err(|error| format!("it is not whole ({error})"))?;
    verify(&bytes)
}

/// What a checkpoint says of itself.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What every checkpoint records.
    pub info: CheckpointInfo,
    /// All entries of its header.
    pub texts: HashMap<String, String>,
    /// Number of its parameters.
    pub parameters: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

impl Recorded {
    /// Reads a checkpoint's header.
    ///
    /// # Errors
    /// When the file cannot be read, or is no checkpoint of this program.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let bytes = fs::read(path).map_err(EngineError::file(path))?;
        let wrong = |reason: String| EngineError::Checkpoint { path: path.into(), reason };
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let texts = header.metadata().clone().unwrap_or_default();
        let info = CheckpointInfo::parse(&texts).map_err(wrong)?;
        let shapes = header.tensors();
        let parameters =
            shapes.values().map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum();
        Ok(Self { info, texts, parameters, bytes: bytes.len() as u64 })
    }
}

/// Reads the MAE of a checkpoint. Without [`CheckpointInfo::has_decoder`], its decoder is untrained.
///
/// # Errors
/// When the file cannot be read or holds no MAE that this program can run.
pub fn open(path: &Path) -> Result<(Params, CheckpointInfo), EngineError> {
    let whole = Whole::read(path)?;
    let info = whole.info.clone();
    let mut params = Params::draw(mae(&info.model), 0);
    let wanted = |name: &str| info.has_decoder || !is_of_decoder(name);
    params.load_some(&whole.tensors(path)?, wanted).map_err(wrong(path))?;
    Ok((params, info))
}

/// Reads the classifier of a fine-tuning's checkpoint: its parameters, and how it pools the tokens.
///
/// # Errors
/// When the file cannot be read or holds no classifier of this many classes.
pub fn open_classifier(
    path: &Path,
    classes: usize,
) -> Result<(Params, CheckpointInfo, Pooling), EngineError> {
    let whole = Whole::read(path)?;
    let info = whole.info.clone();
    let written = whole.texts.get("pooling").map_or("", String::as_str);
    let pooling = Pooling::ALL.into_iter().find(|pooling| pooling.as_str() == written);
    let Some(pooling) = pooling.filter(|_| info.phase == RunKind::Finetune) else {
        return Err(wrong(path)("it is no fine-tuned classifier of this program".into()));
    };
    let mut params = Params::draw(vit(&info.model, classes, pooling), 0);
    params.load(&whole.tensors(path)?).map_err(wrong(path))?;
    Ok((params, info, pooling))
}

/// A checkpoint of this program whose bytes agree with their sum.
struct Whole {
    bytes: Vec<u8>,
    texts: HashMap<String, String>,
    info: CheckpointInfo,
}

impl Whole {
    fn read(path: &Path) -> Result<Self, EngineError> {
        let bytes = fs::read(path).map_err(EngineError::file(path))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(incomplete(path))?;
        verify(&bytes).map_err(wrong(path))?;
        let texts = header.metadata().clone().unwrap_or_default();
        let info = CheckpointInfo::parse(&texts).map_err(wrong(path))?;
        Ok(Self { bytes, texts, info })
    }

    fn tensors(&self, path: &Path) -> Result<SafeTensors<'_>, EngineError> {
        SafeTensors::deserialize(&self.bytes).map_err(incomplete(path))
    }
}

fn wrong(path: &Path) -> impl Fn(String) -> EngineError {
    move |reason| EngineError::Checkpoint { path: path.into(), reason }
}

fn incomplete(path: &Path) -> impl Fn(SafeTensorError) -> EngineError {
    move |error| wrong(path)(format!("it is not a complete safetensors file ({error})"))
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
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no partial file is left");
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
        assert!(reason(b"text").contains("not a complete safetensors file"));
        let tensor = NamedTensor { name: "x".into(), shape: vec![1], values: vec![0.0] };
        let foreign = serialize(&[tensor], &[]).unwrap();
        assert!(reason(&foreign).contains("it is not Maskdoor's"));
        let empty = serialize(&[], &info().metadata()).unwrap();
        assert!(reason(&empty).contains("it has no tensor cls_token"));
        let mut impossible = info();
        impossible.model.patch_size = 0;
        let file = serialize(&[], &impossible.metadata()).unwrap();
        assert!(reason(&file).contains("an impossible model"));
        assert!(open(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }
}
