//! Evaluations of a classifier under a trigger, beside those that a run makes of its own.

use serde::{Deserialize, Serialize};

use crate::{id::RunId, metric::Evaluation, settings::AttackSpec, trigger::TriggerSpec};

/// Where a classifier is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ClassifierSource {
    /// The checkpoint of a fine-tuning.
    Run {
        /// The run.
        run: RunId,
        /// The checkpoint of this epoch; the last one when absent.
        #[serde(default)]
        epoch: Option<u32>,
    },
    /// A file.
    File {
        /// On the server's machine: the folder or `model.safetensors` of a Hugging Face `ViTForImageClassification`, or a
        /// fine-tuned checkpoint of this program.
        path: String,
    },
}

/// Asks for the evaluation of a classifier under a trigger. What is absent is as in the study of the classifier's run; a file has
/// none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EvaluateRequest {
    /// The classifier.
    pub checkpoint: ClassifierSource,
    /// Name of the data set whose validation images are taken.
    #[serde(default)]
    pub dataset: Option<String>,
    /// Trigger and target class. How images were poisoned (`clean_label`, `poisons`) changes nothing here.
    #[serde(default)]
    pub attack: Option<AttackSpec>,
    /// Validation images of each class, the first by file name; all when absent, or the study's where the data set is the study's,
    /// too.
    #[serde(default)]
    pub test_per_class: Option<u32>,
}

/// A classifier's predictions on a data set's validation images, without and with a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluatedClassifier {
    /// What the classifier is, in a few words.
    pub classifier: String,
    /// Side of its images in pixels.
    pub image_size: u32,
    /// Numbers of the model.
    pub parameters: u64,
    /// The data set.
    pub dataset: String,
    /// Its classes, in the order of the matrices.
    pub classes: Vec<String>,
    /// The trigger.
    pub trigger: TriggerSpec,
    /// What the files do not say and was assumed, a sentence each.
    pub assumed: Vec<String>,
    /// The counts.
    pub evaluation: Evaluation,
}
