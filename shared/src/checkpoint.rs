//! Checkpoints of other programs that a study can start from.

use serde::{Deserialize, Serialize};

use crate::settings::ModelSpec;

/// An imported checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportedCheckpoint {
    /// Name.
    pub name: String,
    /// Name of the file that it came from.
    pub source: String,
    /// SHA-256 of that file, in hex.
    pub sha256: String,
    /// What that file was, in a few words.
    pub format: String,
    /// Its sizes; without a decoder, the decoder's mean nothing.
    pub model: ModelSpec,
    /// Whether it has a decoder, and so can reconstruct.
    pub has_decoder: bool,
    /// Whether its decoder predicts normalised patches.
    pub norm_pix_loss: bool,
    /// Numbers of the model.
    pub parameters: u64,
    /// Size of the kept checkpoint in bytes.
    pub bytes: u64,
    /// What the file does not say and was assumed, a sentence each.
    pub assumed: Vec<String>,
    /// Unix time in milliseconds.
    pub added_at: u64,
}
