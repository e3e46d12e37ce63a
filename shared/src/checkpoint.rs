//! Checkpoints of other programs that a study can start from.

use serde::{Deserialize, Serialize};

use crate::settings::ModelSpec;

/// An imported checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportedCheckpoint {
    /// Name.
    pub name: String,
    /// Name of the file that it was imported from.
    pub source: String,
    /// SHA-256 of that file, in hex.
    pub sha256: String,
    /// Short description of that file's format.
    pub format: String,
    /// Its sizes; without a decoder, the decoder's sizes are meaningless.
    pub model: ModelSpec,
    /// Whether it has a decoder, and can therefore reconstruct.
    pub has_decoder: bool,
    /// Whether its decoder predicts normalised patches.
    pub norm_pix_loss: bool,
    /// Number of parameters of the model.
    pub parameters: u64,
    /// Size of the stored checkpoint in bytes.
    pub bytes: u64,
    /// Assumptions where the file lacks information, one sentence each.
    pub assumed: Vec<String>,
    /// Unix time in milliseconds.
    pub added_at: u64,
}
