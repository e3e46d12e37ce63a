//! What can go wrong in a run.

use std::{io, path::PathBuf};

use shared::{
    RunKind,
    poison::{ComposeError, PoisonListError, TooManyPoisons},
    trigger::TriggerError,
};

use crate::{data::DataError, decode::DecodeError, files::is_full, nodes::NodesError};

/// Why a run or a reconstruction failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The data set cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A key image cannot be read.
    #[error("the key image {path}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: DecodeError,
    },
    /// The trigger cannot be prepared.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
    /// More images are to be poisoned than exist.
    #[error(transparent)]
    Poison(#[from] TooManyPoisons),
    /// Poisons cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The GPU failed, or what it needs is missing.
    #[error(transparent)]
    Gpu(#[from] cuda::Error),
    /// The study's poison list cannot be applied.
    #[error("the poison list {0}")]
    PoisonList(#[from] PoisonListError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A checkpoint cannot be used.
    #[error("the checkpoint {path}: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The loss is no longer finite.
    #[error("the loss became {loss} in epoch {epoch} at learning rate {lr:.2e}: {}", what_to_try(*.phase))]
    Diverged {
        /// What was trained.
        phase: RunKind,
        /// The loss.
        loss: f64,
        /// The epoch, counted from 1.
        epoch: u32,
        /// Learning rate of the step.
        lr: f64,
    },
    /// The order cannot be carried out.
    #[error("{0}")]
    Order(String),
    /// The system could not start threads.
    #[error("starting threads: {0}")]
    Threads(String),
    /// A tensor operation failed.
    #[error("computing: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Events cannot be written.
    #[error("writing the run's events: {0}")]
    Emit(io::Error),
    /// The nodes of a run on several machines cannot go on together.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// The run was asked to leave, and has kept its place.
    #[error("the run was asked to leave, and has kept its place")]
    Left,
}

/// What may keep the loss finite, in terms of the study's fields.
fn what_to_try(phase: RunKind) -> &'static str {
    match phase {
        RunKind::Pretrain | RunKind::Knn => {
            "try a smaller pretrain.base_lr, or more pretrain.warmup_epochs"
        }
        RunKind::Defence => {
            "with DeDe, try a smaller defence.decoder_lr; the learning rate of PatchSearch is fixed"
        }
        RunKind::Implant => "try a smaller implant.base_lr",
        RunKind::Probe => {
            "try a smaller probe.base_lr (LARS takes about 0.1 to 10, AdamW about 0.001), or more probe.warmup_epochs"
        }
        RunKind::Finetune => {
            "try a smaller finetune.base_lr, more finetune.warmup_epochs, or a finetune.clip_norm of 1"
        }
    }
}

impl EngineError {
    /// The error of a file that cannot be written now ([`is_full`]); `None` for any other error.
    pub fn full(&self) -> Option<&io::Error> {
        match self {
            Self::File { source, .. } if is_full(source) => Some(source),
            _ => None,
        }
    }

    /// Wraps a file's error, for `map_err`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
