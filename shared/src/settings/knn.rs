//! The recipe of the nearest-neighbour evaluation.

use serde::{Deserialize, Serialize};

/// Nearest neighbours classify clean and triggered images by the features of every kept checkpoint of a pre-training, which
/// gives CA and ASR by epoch without training anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct KnnSpec {
    /// Poisoned images per poisoned class among the neighbours.
    pub poisons: u32,
}
