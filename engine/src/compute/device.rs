//! A device: creates trainers, and models for evaluation.

use sha2::{Digest, Sha256};
use shared::settings::{ModelSpec, Pooling, ProbeSpec};

use super::{
    Classify, Descend, Encode, Head, LabelledBatch, LabelledFeatures, MaskedBatch, Params, Similar,
    Trainer,
};
use crate::{EngineError, hash::hex};

/// Hash of the sources, libraries and compiler that this program was built from.
const SOURCES: &str = env!("MASKDOOR_SOURCES");

/// Version and build of this program. Two programs with the same text were built from the same sources.
pub fn program() -> String {
    format!("maskdoor {} ({})", env!("CARGO_PKG_VERSION"), &SOURCES[..12])
}

/// A trainer of any device.
pub type DynTrainer<B, V> = dyn Trainer<Batch = B, View = V>;
/// A masked autoencoder in training.
pub type PretrainingTrainer = DynTrainer<MaskedBatch, dyn Encode>;
/// A classifier of images in training.
pub type FinetuningTrainer = DynTrainer<LabelledBatch, dyn Classify>;
/// A classifier of features in training.
pub type HeadTrainer = DynTrainer<LabelledFeatures, dyn Head>;

/// A device, at one precision. Models start from parameters in the host's memory, so the same seed gives the same initial model on
/// every device.
pub trait Device: Send + Sync {
    /// What it computes with: instruction set or model, and precision. Devices whose results may differ in a bit have different texts.
    fn arithmetic(&self) -> String;

    /// SHA-256 in hex of what the bits of a result depend on besides the run's order: this program's sources and libraries, and the
    /// device's arithmetic. Stored features and resume points are used only where it is the same.
    fn bits(&self) -> String {
        let of = format!("{SOURCES}\n{}", self.arithmetic());
        hex(&Sha256::digest(of))
    }

    /// What whoever follows a run on it should know, in a sentence.
    fn note(&self) -> Option<String> {
        None
    }

    /// A trainer of the masked autoencoder with these parameters.
    ///
    /// # Errors
    /// When the device cannot create it.
    fn pretrainer(
        &self,
        spec: &ModelSpec,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<PretrainingTrainer>, EngineError>;

    /// A trainer of the classifier with these parameters.
    ///
    /// # Errors
    /// When the device cannot create it.
    fn finetuner(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<FinetuningTrainer>, EngineError>;

    /// A trainer of the head with these parameters ([`model::head`](crate::model::head())), using the recipe's optimiser.
    ///
    /// # Errors
    /// When the device cannot create it.
    fn head_trainer(
        &self,
        params: Params,
        recipe: &ProbeSpec,
    ) -> Result<Box<HeadTrainer>, EngineError>;

    /// The masked autoencoder with these parameters, for evaluations.
    ///
    /// # Errors
    /// When the device cannot create it.
    fn encoder(&self, spec: &ModelSpec, params: Params) -> Result<Box<dyn Encode>, EngineError>;

    /// The classifier with these parameters, for evaluations.
    ///
    /// # Errors
    /// When the device cannot create it.
    fn classifier(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
    ) -> Result<Box<dyn Classify>, EngineError>;

    /// Rows of `width` numbers to compare queries with, in single precision on every device.
    fn similar(&self, rows: &[f32], width: usize) -> Box<dyn Similar>;
}
