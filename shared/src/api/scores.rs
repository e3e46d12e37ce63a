//! How the scores of a defence are distributed.

use serde::{Deserialize, Serialize};

use crate::id::RunId;

/// The scores that a defence gave to images, counted in bins of equal width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScoreBins {
    /// The run.
    pub run: RunId,
    /// The defence.
    pub label: String,
    /// Whether it judged the images of a training set, and not images that a classifier is asked about.
    pub filters_samples: bool,
    /// The edges of the bins, one more than there are bins. Scores beyond the outermost ones count in the outermost bins.
    pub edges: Vec<f64>,
    /// Number of clean images in each bin.
    pub clean: Vec<u32>,
    /// Number of poisons of a training set, or of triggered images.
    pub poisoned: Vec<u32>,
    /// Number of the same poisons without the trigger, under the same labels, for a sample filter where labels are wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Vec<u32>>,
    /// The score above which an image is flagged; absent where more than the score decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}
