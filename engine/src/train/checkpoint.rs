//! Checkpoints: safetensors files with MAE's tensor names, written whole or not at all.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use shared::{
    run::Phase,
    study::{ModelSpec, TransformerSpec},
};

use crate::{
    EngineError,
    model::Mae,
    nn::{Params, tensor_file::serialize},
};

/// Name of a run's last checkpoint.
pub const LAST: &str = "checkpoint.safetensors";
/// Name of a linear probe's trained head.
pub const HEAD: &str = "head.safetensors";

/// Version of the program, as checkpoints and manifests name it.
pub const PROGRAM: &str = concat!("maskdoor ", env!("CARGO_PKG_VERSION"));

/// What a checkpoint says of itself in its header.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointInfo {
    /// The model's sizes.
    pub model: ModelSpec,
    /// The phase that trained it.
    pub phase: Phase,
    /// Epochs done.
    pub epoch: u32,
    /// Whether its decoder predicts normalised patches.
    pub norm_pix_loss: bool,
    /// Whether the file has a decoder; an imported encoder may come without one, and its model's decoder is a stand-in then.
    pub has_decoder: bool,
}

impl CheckpointInfo {
    /// The header's texts.
    pub fn metadata(&self) -> [(&'static str, String); 6] {
        let model = serde_json::to_string(&self.model).expect("whole numbers always serialise");
        [
            ("model", model),
            ("phase", self.phase.as_str().into()),
            ("epoch", self.epoch.to_string()),
            ("norm_pix_loss", self.norm_pix_loss.to_string()),
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
        let grid = patch_size > 0 && image_size > 0 && image_size.is_multiple_of(patch_size);
        if grid && fits(encoder) && fits(decoder) {
            Ok(())
        } else {
            Err(format!("its header describes no possible model: {:?}", self.model))
        }
    }
}

/// Writes `checkpoint-<epoch>.safetensors` into the folder and makes [`LAST`] the same. Returns the first one's name.
///
/// # Errors
/// When a file cannot be written.
pub fn save(
    folder: &Path,
    params: &Params,
    info: &CheckpointInfo,
    more: &[(&'static str, String)],
) -> Result<String, EngineError> {
    let name = format!("checkpoint-{:04}.safetensors", info.epoch);
    let path = folder.join(&name);
    let texts = [&info.metadata()[..], more].concat();
    write(&path, &serialize(&params.tensors(), &texts)?)?;
    let last = folder.join(LAST);
    let link = part(&last);
    // A second name takes no second place on the disk; a file system without links gets a copy.
    let _ = fs::remove_file(&link);
    fs::hard_link(&path, &link)
        .or_else(|_| fs::copy(&path, &link).map(|_| ()))
        .and_then(|()| fs::rename(&link, &last))
        .map_err(EngineError::file(last))?;
    Ok(name)
}

/// Reads the MAE of a checkpoint. Without [`CheckpointInfo::has_decoder`] its decoder is one that nobody trained.
///
/// # Errors
/// When the file cannot be read or holds no MAE that this program can run.
pub fn open(path: &Path) -> Result<(Mae, CheckpointInfo), EngineError> {
    let bytes = fs::read(path).map_err(EngineError::file(path))?;
    let wrong = |reason: String| EngineError::Checkpoint { path: path.into(), reason };
    let not_safetensors = |error| wrong(format!("it is no whole safetensors file ({error})"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(not_safetensors)?;
    let texts = header.metadata().clone().unwrap_or_default();
    let info = CheckpointInfo::parse(&texts).map_err(wrong)?;
    let file = SafeTensors::deserialize(&bytes).map_err(not_safetensors)?;
    let mut mae = Mae::new(&info.model, 0);
    let loaded = if info.has_decoder { mae.load(&file) } else { mae.load_encoder(&file) };
    loaded.map_err(wrong)?;
    Ok((mae, info))
}

/// Writes a file under another name, to the disk, and then gives it its own: it is there whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let part = part(path);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&part, path));
    renamed.map_err(|error: io::Error| {
        let _ = fs::remove_file(&part); // the error that is told is the first one
        EngineError::file(path)(error)
    })
}

/// The name under which a file is written: one of its own for each process, as two probes may keep the same features.
fn part(path: &Path) -> PathBuf {
    path.with_extension(format!("{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::tensor_file::NamedTensor;

    fn info() -> CheckpointInfo {
        let model = ModelSpec {
            image_size: 8,
            patch_size: 4,
            encoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
            decoder: TransformerSpec { dim: 4, depth: 1, heads: 1 },
        };
        let (phase, epoch) = (Phase::Pretrain, 7);
        CheckpointInfo { model, phase, epoch, norm_pix_loss: true, has_decoder: true }
    }

    #[test]
    fn a_model_comes_back_from_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let mae = Mae::new(&info().model, 5);
        let name = save(folder.path(), mae.params(), &info(), &[]).unwrap();
        assert_eq!(name, "checkpoint-0007.safetensors");
        let later = CheckpointInfo { epoch: 8, ..info() };
        save(folder.path(), mae.params(), &later, &[]).unwrap();
        for (name, want) in [(name.as_str(), info()), (LAST, later)] {
            let (read, info) = open(&folder.path().join(name)).unwrap();
            assert_eq!(info, want);
            assert_eq!(read.params().digest(), mae.params().digest());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no part is left");
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
