//! A classifier from a file, for evaluation: one of our fine-tunings, or Hugging Face's ViT.

use std::{collections::HashMap, path::Path};

use candle_core::{Device, Tensor};
use safetensors::SafeTensors;
use serde::Deserialize;
use shared::{
    run_kind::RunKind,
    settings::{ModelSpec, Pooling, Precision},
};

use super::{
    config::read_beside,
    entry::{Use, select},
    names::Naming,
    processor::normalisation,
    shapes::{check, named},
    tensors::TensorFile,
    vit_config::VitConfig,
    weights::Weights,
};
use crate::{
    EngineError,
    checkpoint::CheckpointInfo,
    compute::{Classify, Device as _, Machine, Params, cpu::HuggingFaceVit},
    files::MANIFEST,
    model::vit,
    tensors::verify,
};

/// Longest manifest that is read for the names of its classes, in bytes.
const LONGEST: u64 = 64 << 20;
/// Most patches along a side of an image.
const MOST_PATCHES: u32 = 1024;

/// A classifier from a file, ready to be evaluated.
pub struct OpenClassifier {
    /// The model.
    pub model: Box<dyn Classify>,
    /// Its classes by name, in their order; none where nothing tells them.
    pub class_names: Vec<String>,
    /// What it is, in a few words.
    pub description: String,
    /// Numbers of the model.
    pub parameters: u64,
    /// What the files do not say and was assumed, a sentence each.
    pub assumed: Vec<String>,
}

impl OpenClassifier {
    /// Reads a checkpoint of a fine-tuning of ours, the weights of a `ViTForImageClassification` with its `config.json` beside
    /// them, or the folder of both. `entry` names the classifier where the file holds several. Nothing in a file is run, and no size
    /// is believed before the file's tensors have it.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no classifier that this program can run; in words that name the tensor or the
    /// key.
    pub fn read(path: &Path, entry: Option<&str>, machine: &Machine) -> Result<Self, EngineError> {
        let Weights { path, files } = Weights::read(path)?;
        Self::from_files(&files, &path, entry, machine)
            .map_err(|reason| EngineError::Checkpoint { path, reason })
    }

    /// As [`read`](Self::read), from the files' bytes; the path says where a `config.json` or a manifest may be.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn from_files(
        files: &[Vec<u8>],
        path: &Path,
        entry: Option<&str>,
        machine: &Machine,
    ) -> Result<Self, String> {
        let (file, _) = Weights::tensors(files)?;
        if let ([bytes], true) = (files, file.texts.contains_key("phase")) {
            let file = match entry {
                Some(_) => select(file, entry, Use::Classifier)?.0,
                None => file,
            };
            return own(bytes, &file, path, machine);
        }
        let (file, naming) = select(file, entry, Use::Classifier)?;
        match naming {
            Naming::HuggingFace { .. } => {
                hugging_face(files.iter().map(Vec::len).sum(), &file, path)
            }
            Naming::Mae => Err(
                "it has MAE's or timm's names; a classifier is evaluated from a fine-tuning of this program or from Hugging Face's names"
                    .into(),
            ),
        }
    }
}

/// A checkpoint of this program.
fn own(
    bytes: &[u8],
    file: &TensorFile<'_>,
    path: &Path,
    machine: &Machine,
) -> Result<OpenClassifier, String> {
    verify(bytes)?;
    let texts = file.texts.clone().into_iter().collect();
    let info = CheckpointInfo::parse(&texts)?;
    match info.phase {
        RunKind::Finetune => {}
        RunKind::Probe => {
            return Err(
                "it is a linear probe's head, which sees nothing without its encoder; its run's page has its evaluation, and a fine-tuning can be evaluated anew"
                    .into(),
            );
        }
        RunKind::Pretrain | RunKind::Implant | RunKind::Knn | RunKind::Defence => {
            return Err("it is an encoder without a classifier's head; a fine-tuning of it can be evaluated".into());
        }
    }
    let pooling = match texts.get("pooling").map(String::as_str) {
        Some("mean") => Pooling::Mean,
        Some("cls") => Pooling::Cls,
        other => return Err(format!("its header says the pooling {other:?}, not mean or cls")),
    };
    let ModelSpec { image_size, patch_size, encoder, .. } = info.model;
    if image_size / patch_size > MOST_PATCHES || encoder.depth as usize > file.tensors.len() {
        return Err(format!("its header describes {:?}, which it does not hold", info.model));
    }
    let classes = classes_of(file, "head.weight")?;
    let described = vit(&info.model, classes, pooling);
    let wanted: Vec<_> = named(&described);
    check(file, &wanted, |_| false, "its header", bytes.len())?;
    let mut params = Params::draw(described, 0);
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    params.load(&tensors)?;
    Ok(OpenClassifier {
        class_names: manifest_classes(path, classes),
        description: format!("fine-tuned ViT of this program, epoch {}", info.epoch),
        parameters: numbers(&wanted),
        assumed: Vec::new(),
        model: machine
            .cpu(Precision::F32)
            .classifier(&info.model, pooling, params)
            .map_err(|error| error.to_string())?,
    })
}

/// Hugging Face's ViT with a head.
fn hugging_face(
    file_bytes: usize,
    file: &TensorFile<'_>,
    path: &Path,
) -> Result<OpenClassifier, String> {
    let config = VitConfig::beside(path)?;
    let classes = classes_of(file, "classifier.weight")?;
    if config.blocks() > file.tensors.len() {
        let blocks = config.blocks();
        return Err(format!("its config.json says {blocks} blocks, more than it has tensors"));
    }
    let wanted = config.layout(classes);
    let naming = Naming::HuggingFace { prefix: "vit." };
    check(file, &wanted, |name| naming.is_beside_the_encoder(name), "its config.json", file_bytes)?;
    let class_names = config.class_names(classes)?;
    let mut assumed = Vec::new();
    let normalisation = normalisation(path, config.image_size(), &mut assumed)?;
    let mut tensors = HashMap::new();
    for (name, shape) in &wanted {
        let tensor = Tensor::from_vec(file.floats(name, shape)?, shape.as_slice(), &Device::Cpu);
        tensors.insert(name.clone(), tensor.map_err(|error| format!("{name}: {error}"))?);
    }
    let model = HuggingFaceVit::new(&config.sizes(), classes, normalisation, tensors)
        .map_err(|error| error.to_string())?;
    Ok(OpenClassifier {
        class_names,
        description: "Hugging Face's ViTForImageClassification".into(),
        parameters: numbers(&wanted),
        assumed,
        model: Box::new(model),
    })
}

/// Classes of a head, by its weight `(classes, width)`.
fn classes_of(file: &TensorFile<'_>, weight: &str) -> Result<usize, String> {
    match file.shape(weight) {
        Some(&[classes, _]) if classes > 0 => Ok(classes),
        Some(shape) => Err(format!("{weight} has the shape {shape:?}, not [classes, width]")),
        None => {
            Err(format!("it has no tensor {weight}: it is an encoder without a classifier's head"))
        }
    }
}

fn numbers(tensors: &[(String, Vec<usize>)]) -> u64 {
    tensors.iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
}

/// The classes that the run's manifest beside its checkpoint names; none where there is no such manifest.
fn manifest_classes(checkpoint: &Path, classes: usize) -> Vec<String> {
    #[derive(Deserialize)]
    struct Manifest {
        classes: Vec<String>,
    }
    let text = read_beside(checkpoint, MANIFEST, LONGEST).ok().flatten();
    let manifest = text.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    manifest
        .map(|manifest| manifest.classes)
        .filter(|names| names.len() == classes)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
