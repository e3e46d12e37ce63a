//! CLS features of many images: what a linear probe trains on.
//!
//! Features of clean images and of triggered test images are stored in the encoder's folder, because every probe of the same
//! encoder needs them again. A file's name is the hash of everything that its numbers depend on.

use std::{fs, path::Path};

use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::report::Reporter;
use crate::{
    EngineError, checkpoint,
    compute::{Device, Encode, Load, Params},
    hash::hex,
    stop::Watch,
    tensors::{NamedTensor, read, serialize, verify},
};

/// CLS features of `image(0)` to `image(n - 1)`, one row after the other; progress is reported to `watch` as `what`.
///
/// # Errors
/// When the device fails; when `image` fails. If the watch stops the work, the features so far are returned.
pub fn features(
    encoder: &dyn Encode,
    n: usize,
    image: Load<'_>,
    what: &str,
    watch: &mut dyn Watch,
) -> Result<Vec<f32>, EngineError> {
    let mut features = Vec::with_capacity(n * encoder.width());
    let at_once = encoder.at_once();
    for first in (0..n).step_by(at_once) {
        features.extend(encoder.features(first..n.min(first + at_once), image)?);
        watch.progress(what, (features.len() / encoder.width()) as u64, n as u64);
        if watch.stopped() {
            break;
        }
    }
    Ok(features)
}

/// Features stored in an encoder's folder.
pub struct Kept<'a> {
    folder: &'a Path,
    /// What all features of this encoder and this data set depend on.
    base: String,
}

impl<'a> Kept<'a> {
    /// The features that the encoder with these parameters computes on a device for the images that `dataset` describes.
    pub fn new(folder: &'a Path, params: &Params, device: &dyn Device, dataset: &str) -> Self {
        let base = format!("{}\n{}\n{dataset}", params.digest(), device.bits());
        Self { folder, base }
    }

    /// The stored features of `part`; if there are none, stores those that `compute` returns. If the folder cannot be written, that is
    /// logged and only costs time.
    ///
    /// # Errors
    /// When `compute` fails or is stopped, or the log cannot be written.
    pub fn get(
        &self,
        part: &str,
        width: usize,
        n: usize,
        report: &mut Reporter<'_>,
        compute: impl FnOnce(&mut Reporter<'_>) -> Result<Vec<f32>, EngineError>,
    ) -> Result<Vec<f32>, EngineError> {
        let hash = Sha256::digest(format!("{}\n{part}", self.base));
        let key = hex(&hash[..8]);
        let path = self.folder.join(format!("features-{key}.safetensors"));
        if let Some(features) = fs::read(&path).ok().and_then(|bytes| {
            verify(&bytes).ok()?;
            read(&SafeTensors::deserialize(&bytes).ok()?, "features", &[n, width]).ok()
        }) {
            return Ok(features);
        }
        let features = compute(report)?;
        let tensor =
            NamedTensor { name: "features".into(), shape: vec![n, width], values: features };
        let bytes = serialize(std::slice::from_ref(&tensor), &[("part", part.to_owned())])?;
        if let Err(error) = checkpoint::write(&path, &bytes) {
            report.log(format!("cannot store the features for other probes: {error}"))?;
        }
        Ok(tensor.values)
    }
}
