//! CLS features of many images: what a linear probe trains on.
//!
//! Features of clean images and of triggered test images are kept in the encoder's folder, because every probe of one
//! encoder needs them again. A file is named by the hash of all that its numbers depend on.

use std::{fs, path::Path};

use kernel::Kernels;
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use shared::Rgb8;

use super::{checkpoint, replicas::in_parallel, report::Reporter};
use crate::{
    EngineError,
    data::{DataError, augment::normalise},
    hash::hex,
    model::{Mae, MaskedImages},
    nn::tensor_file::{NamedTensor, read, serialize},
    stop::Watch,
};

/// Images that go through the encoder at once on a thread.
const CHUNK: usize = 32;

/// An encoder that gives features, and how.
pub struct Encoder<'a> {
    /// The model.
    pub mae: &'a Mae,
    /// Threads to compute on.
    pub threads: usize,
    /// How to multiply.
    pub kernels: Kernels,
}

impl Encoder<'_> {
    /// Numbers of an image's features.
    pub fn width(&self) -> usize {
        self.mae.spec().encoder.dim as usize
    }

    /// CLS features of `image(0)` to `image(n - 1)`, one row of [`width`](Self::width) numbers after the other. Called from
    /// several threads; `watch` hears of it as `what`.
    ///
    /// # Errors
    /// When candle cannot compute them; when `image` fails; when the watcher stops.
    pub fn features(
        &self,
        n: usize,
        image: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        what: &str,
        watch: &mut dyn Watch,
    ) -> Result<Vec<f32>, EngineError> {
        let chunks = n.div_ceil(CHUNK);
        let mut features = Vec::with_capacity(n * self.width());
        for first in (0..chunks).step_by(self.threads.max(1)) {
            let part = in_parallel((chunks - first).min(self.threads), self.threads, |i| {
                let start = (first + i) * CHUNK;
                self.chunk((start..n.min(start + CHUNK)).map(&image))
            })?;
            features.extend(part.into_iter().flatten());
            watch.progress(what, (features.len() / self.width()) as u64, n as u64);
            if watch.stopped() {
                break;
            }
        }
        Ok(features)
    }

    fn chunk(
        &self,
        images: impl Iterator<Item = Result<Rgb8, DataError>>,
    ) -> Result<Vec<f32>, EngineError> {
        let grid = self.mae.grid();
        let order: Vec<u32> = (0..grid.count() as u32).collect();
        let mut shown = MaskedImages::new(grid, 0.0);
        let mut pixels = vec![0.0; grid.image_len()];
        for image in images {
            normalise(&image?, &mut pixels);
            shown.push(grid, &pixels, &order, false);
        }
        Ok(self.mae.features(&shown, self.kernels))
    }
}

/// Features kept in an encoder's folder.
pub struct Kept<'a> {
    folder: &'a Path,
    /// What all features of this encoder and this data set depend on.
    base: String,
}

impl<'a> Kept<'a> {
    /// Features of this encoder in its folder, of the images that `dataset` describes.
    pub fn new(folder: &'a Path, encoder: &Encoder<'_>, dataset: &str) -> Self {
        let (digest, kernels) = (encoder.mae.params().digest(), encoder.kernels);
        let base = format!("{}\n{digest}\n{kernels:?}\n{dataset}", checkpoint::PROGRAM);
        Self { folder, base }
    }

    /// The kept features of `part`, or those that `compute` gives, which are then kept. A folder that cannot be written
    /// is told in the log and costs time only.
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
            read(&SafeTensors::deserialize(&bytes).ok()?, "features", &[n, width]).ok()
        }) {
            return Ok(features);
        }
        let features = compute(report)?;
        let tensor =
            NamedTensor { name: "features".into(), shape: vec![n, width], values: features };
        let bytes = serialize(std::slice::from_ref(&tensor), &[("part", part.to_owned())])?;
        if let Err(error) = checkpoint::write(&path, &bytes) {
            report.log(format!("features are not kept for other probes: {error}"))?;
        }
        Ok(tensor.values)
    }
}
