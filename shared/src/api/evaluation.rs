//! Evaluations of a classifier under a trigger, in addition to those that a run makes itself.

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
        /// Epoch of the checkpoint; defaults to the last.
        #[serde(default)]
        epoch: Option<u32>,
    },
    /// A file.
    File {
        /// On the server's machine: the folder or `model.safetensors` of a Hugging Face `ViTForImageClassification`, or a
        /// fine-tuned checkpoint of this program.
        path: String,
        /// The classifier to take of a file that holds several, such as `model_ema`.
        #[serde(default)]
        entry: Option<String>,
    },
}

/// How a classifier's classes are matched with those of a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum ClassMatching {
    /// By the names that the classifier gives them. All of them have to match.
    #[default]
    Names,
    /// By their order: the classifier's first class is the data set's first. Refused where the names say otherwise.
    Order,
    /// By these names of the classifier's classes, in its order.
    List {
        /// The names.
        names: Vec<String>,
    },
}

/// Requests the evaluation of a classifier under a trigger. Absent fields are taken from the study of the classifier's run; a
/// file has no study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EvaluateRequest {
    /// The classifier.
    pub checkpoint: ClassifierSource,
    /// Name of the data set whose validation images are used.
    #[serde(default)]
    pub dataset: Option<String>,
    /// Trigger and target class. How images were poisoned (`clean_label`, `poisons`) has no effect here.
    #[serde(default)]
    pub attack: Option<AttackSpec>,
    /// Number of validation images of each class, the first by file name; defaults to the study's if the data set is also the study's,
    /// otherwise to all.
    #[serde(default)]
    pub test_per_class: Option<u32>,
    /// How the classifier's classes are matched with those of the data set.
    #[serde(default)]
    pub classes: ClassMatching,
}

/// A classifier's predictions on a data set's validation images, without and with a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvaluatedClassifier {
    /// Short description of the classifier.
    pub classifier: String,
    /// Side of its images in pixels.
    pub image_size: u32,
    /// Number of parameters of the model.
    pub parameters: u64,
    /// The data set.
    pub dataset: String,
    /// Its classes, in the order of the matrices.
    pub classes: Vec<String>,
    /// The trigger.
    pub trigger: TriggerSpec,
    /// Assumptions where the files lack information, one sentence each.
    pub assumed: Vec<String>,
    /// The counts.
    pub evaluation: Evaluation,
}
