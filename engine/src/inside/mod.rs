//! What is inside an encoder, looked at afterwards: a map of its features, and what its CLS token attends to.

mod attention;
mod feature_map;
mod tsne;

use std::path::Path;

use shared::{RunKind, settings::Precision};

use crate::{
    EngineError, checkpoint,
    compute::{Device as _, Encode, Machine},
};

pub use attention::{Attended, AttendedPair, attended, attended_pair};
pub use feature_map::{MappedFeatures, Placed, map_features};

/// An encoder from a checkpoint, on the processor in single precision.
pub struct Opened {
    /// The encoder.
    pub encoder: Box<dyn Encode>,
    /// Epochs of training in it.
    pub epoch: u32,
}

/// Reads the encoder of a pre-training, or of an import.
///
/// # Errors
/// When the file cannot be read, or holds no encoder of an MAE.
pub fn open(checkpoint: &Path, machine: &Machine) -> Result<Opened, EngineError> {
    let (params, info) = checkpoint::open(checkpoint)?;
    if info.phase != RunKind::Pretrain {
        let reason = "it is no pre-training's; only those have an encoder of their own".into();
        return Err(EngineError::Checkpoint { path: checkpoint.into(), reason });
    }
    let encoder = machine.cpu(Precision::F32).encoder(&info.model, params)?;
    Ok(Opened { encoder, epoch: info.epoch })
}
