//! The processor as a device: models, optimisers and products on all its threads.
//!
//! Activations, gradients and moments are single precision, in slices of reused buffers. [`Machine`](super::Machine) chooses the
//! instruction set of [`kernel`]; nothing outside this folder depends on it.
//!
//! | file | holds |
//! |---|---|
//! | [`nn`] | layers, each in its own file with its forward and backward pass |
//! | `mae`, `mae_run`, `mae_eval`, `mae_tokens`, `masked` | the masked autoencoder: its layers, a training step, evaluations |
//! | `vit`, `vit_run` | the classifier of fine-tuning |
//! | `head` | the head of a linear probe |
//! | `embedding_decoder` | a decoder that is trained on the embeddings of another encoder |
//! | `distill` | a classifier that attends to what its teacher attends to |
//! | `implant` | an encoder into which a backdoor is implanted |
//! | `hugging_face` | classifiers of transformers, for evaluation |
//! | [`optim`], `descent`, `accumulate` | optimisers; from the gradients of batches to steps |
//! | `shards` | how a batch is divided |
//! | `beside` | the processors of several machines as one device |
//! | `parts` | its tokens, and its decoder on its own, for defences |
//! | `pixel_gradient` | features, and the gradient of a function of them in the pixels |
//! | `trainer`, `head_trainer`, `encoder`, `similar` | the device's interface |

mod accumulate;
mod beside;
mod descent;
mod distill;
mod embedding_decoder;
mod encoder;
mod head;
mod head_trainer;
mod hugging_face;
mod implant;
mod mae;
mod mae_eval;
mod mae_run;
mod mae_tokens;
mod masked;
pub mod nn;
pub mod optim;
mod parts;
mod pixel_gradient;
mod shards;
mod similar;
mod trainer;
mod vit;
mod vit_run;

use kernel::Kernels;
use shared::settings::{ModelSpec, Pooling, ProbeSpec};

use super::{
    Classify, Descend, Device, Encode, FinetuningTrainer, HeadTrainer, Params, PretrainingTrainer,
    Similar,
};
use crate::EngineError;

pub use beside::BesideOthers;
pub use descent::Descent;
pub use distill::distiller;
pub use embedding_decoder::{DecoderTrainer, EmbeddedBatch, EmbeddingDecoder, decoder_trainer};
pub use head::Classifier;
pub use hugging_face::HuggingFaceVit;
pub use implant::implanter;
pub use mae::Mae;
pub use mae_run::MaeRun;
pub use masked::MaskedImages;
pub use parts::{MaeParts, Redrawn};
pub use pixel_gradient::PixelGradient;
pub use shards::{Pass, SHARDS, shards};
pub use vit::{Vit, WholeImages};
pub use vit_run::{LabelledImages, VitRun};

/// The processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Number of compute threads. It changes a run's speed, never its result.
    pub threads: usize,
    /// Instruction set, and how many bits the factors of products have.
    pub kernels: Kernels,
}

impl Cpu {
    /// Its name as a device.
    pub const NAME: &str = "cpu";
}

impl Device for Cpu {
    fn arithmetic(&self) -> String {
        format!("{} {:?}", Self::NAME, self.kernels)
    }

    fn pretrainer(
        &self,
        spec: &ModelSpec,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<PretrainingTrainer>, EngineError> {
        let trainer = trainer::CpuTrainer::new(*self, Mae::new(spec, params), descend)?;
        Ok(Box::new(trainer))
    }

    fn finetuner(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
        descend: &Descend,
    ) -> Result<Box<FinetuningTrainer>, EngineError> {
        let trainer = trainer::CpuTrainer::new(*self, Vit::new(spec, pooling, params), descend)?;
        Ok(Box::new(trainer))
    }

    fn head_trainer(
        &self,
        params: Params,
        recipe: &ProbeSpec,
    ) -> Result<Box<HeadTrainer>, EngineError> {
        Ok(Box::new(head_trainer::CpuHeadTrainer::new(*self, params, recipe)?))
    }

    fn encoder(&self, spec: &ModelSpec, params: Params) -> Result<Box<dyn Encode>, EngineError> {
        Ok(Box::new(encoder::CpuEncoder { mae: Mae::new(spec, params), cpu: *self }))
    }

    fn classifier(
        &self,
        spec: &ModelSpec,
        pooling: Pooling,
        params: Params,
    ) -> Result<Box<dyn Classify>, EngineError> {
        let vit = Vit::new(spec, pooling, params);
        Ok(Box::new(encoder::CpuClassifier { vit, kernels: self.kernels }))
    }

    fn similar(&self, rows: &[f32], width: usize) -> Box<dyn Similar> {
        Box::new(similar::CpuSimilar::new(self.kernels.in_single(), rows, width))
    }
}

/// A pool of `threads` threads.
fn pool(threads: usize) -> Result<rayon::ThreadPool, EngineError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| EngineError::Threads(error.to_string()))
}
