//! [`Settings`]: the value of every setting at one point of a study. Types and defaults only; [`crate::param`] describes each
//! setting, [`crate::study`] varies them.

mod attack;
mod compose;
mod defence;
mod finetune;
mod implant;
mod knn;
mod model;
mod precision;
mod pretrain;
mod probe;

use serde::{Deserialize, Serialize};

pub use attack::{AttackGoal, AttackSpec, BackdoorSpec, PoisonUnit};
pub use compose::{ComposeMethod, ComposeSpec};
pub use defence::{
    BlockedBy, ClusterDecision, DECODER_BATCH, DecodedFrom, DecoderNeed, DedeDecoder,
    DefenceGroups, DefenceKind, DefenceMethod, DefenceSpec, DefendedSet, PATCH_BATCH,
    PATCH_CLASSIFIER, ProtectedClassifier, Restorer,
};
pub use finetune::{FinetuneSpec, Pooling, Start};
pub use implant::{ImplantMethod, ImplantSpec};
pub use knn::KnnSpec;
pub use model::{ModelSpec, TransformerSpec};
pub use precision::Precision;
pub use pretrain::PretrainSpec;
pub use probe::{HeadInit, ProbeFeatures, ProbeOptimizer, ProbeSpec, fitted_by};

use crate::{device::DeviceWish, run_kind::RunKind, survival::Views};

/// Name of the built-in data set, which the program draws.
pub const BUILTIN_DATASET: &str = "shapes";

/// The value of every setting at one point of a study. A run depends on some of them: see [`crate::param::Setting::matters`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Seed of weights, order, augmentation, masks and poisons.
    pub seed: u64,
    /// Imported checkpoint that classifiers start from, by name, instead of a pre-training of the study.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// Number format of matrix products, in all runs.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// The device that runs ask for. It decides where they train, never what they compute.
    #[serde(skip_serializing_if = "DeviceWish::is_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub device: DeviceWish,
    /// The images.
    pub dataset: DatasetSpec,
    /// Triggers and targets.
    pub attack: AttackSpec,
    /// Encoder and decoder.
    pub model: ModelSpec,
    /// Pre-training.
    pub pretrain: PretrainSpec,
    /// Implanting of a backdoor into the trained encoder.
    pub implant: ImplantSpec,
    /// Nearest neighbours on the encoder's features.
    pub knn: KnnSpec,
    /// Linear probe.
    pub probe: ProbeSpec,
    /// Fine-tuning.
    pub finetune: FinetuneSpec,
    /// Defence.
    pub defence: DefenceSpec,
}

impl Settings {
    /// Poisoned images of each poisoned class in the training of a run of this kind, or in the set that it judges.
    pub fn poisons(&self, kind: RunKind) -> u32 {
        match kind {
            RunKind::Pretrain => self.pretrain.poisons,
            // It triggers every shadow image, and labels none.
            RunKind::Implant => 0,
            RunKind::Knn => self.knn.poisons,
            RunKind::Probe => self.probe.poisons,
            RunKind::Finetune => self.finetune.poisons,
            RunKind::Defence if self.judges_pretraining() => self.pretrain.poisons,
            RunKind::Defence => match self.defence.method.kind() {
                DefenceKind::EncoderDetector | DefenceKind::Repair => 0,
                DefenceKind::SampleFilter | DefenceKind::InputFilter => self.defence.poisons,
            },
        }
    }

    /// Whether a defence judges the training set of the pre-training.
    pub fn judges_pretraining(&self) -> bool {
        let DefenceSpec { method, set, .. } = self.defence;
        method.filters_samples() && set == DefendedSet::Pretrain
    }

    /// Whether the poisons in the training of a run of this kind, or in the set that it judges, are composed.
    pub fn composes(&self, kind: RunKind) -> bool {
        let of_pretraining = match kind {
            RunKind::Pretrain => true,
            RunKind::Defence => self.judges_pretraining(),
            _ => false,
        };
        of_pretraining && self.attack.compose.is_on() && self.poisons(kind) > 0
    }

    /// Whether a defence trains a linear probe on the set that it judges, and once more on what it keeps.
    pub fn retrains(&self) -> bool {
        self.defence.retrain && self.defence.method.filters_samples() && !self.judges_pretraining()
    }

    /// How pre-training sees images, where patches divide them.
    pub fn pretraining_views(&self) -> Option<Views> {
        let Self { model, pretrain, .. } = self;
        let divides = model.patch_size > 0 && model.image_size.is_multiple_of(model.patch_size);
        divides.then(|| Views {
            grid: (model.image_size / model.patch_size) as usize,
            min_scale: pretrain.crop_min_scale,
            mask_ratio: pretrain.mask_ratio,
        })
    }

    /// Whether a defence restores with the autoencoder of a further pre-training, one without poisons: not where the judged encoder
    /// is of that pre-training itself.
    pub fn takes_clean_restorer(&self) -> bool {
        let is_clean = self.pretrain.poisons == 0 && !self.implants() && self.encoder.is_none();
        self.defence.restores() && self.defence.restorer == Restorer::Clean && !is_clean
    }

    /// Whether a defence restores with an imported autoencoder.
    pub fn takes_imported_restorer(&self) -> bool {
        self.defence.restores() && self.defence.restorer == Restorer::Imported
    }

    /// Whether a run of this kind trains linear probes by the recipe of `probe`.
    pub fn trains_probe(&self, kind: RunKind) -> bool {
        let for_defence = self.retrains() || self.defence.protects_probe();
        kind == RunKind::Probe || kind == RunKind::Defence && for_defence
    }

    /// Whether a backdoor is implanted into the encoder that classifiers start from.
    pub fn implants(&self) -> bool {
        self.implant.method != ImplantMethod::None
    }

    /// Training images per epoch of a run of this kind, including poisons and cover samples, for `class_counts[c]` images in
    /// class `c` before the limit.
    pub fn samples_per_epoch(&self, kind: RunKind, class_counts: &[u32]) -> u32 {
        let images = self.dataset.train_images(class_counts);
        let limit = self.implant.shadow_per_class.filter(|_| kind == RunKind::Implant);
        let clean = images
            .iter()
            .fold(0u32, |sum, &count| sum.saturating_add(count.min(limit.unwrap_or(u32::MAX))));
        if self.attack.replace {
            return clean;
        }
        let poisons = self.poisons(kind);
        clean
            .saturating_add(self.attack.poisoned_images(&images, poisons))
            .saturating_add(self.attack.cover_images(&images, poisons))
    }
}

impl Default for Settings {
    /// A clean study of the built-in data set.
    fn default() -> Self {
        Self {
            seed: 1,
            encoder: None,
            precision: Precision::default(),
            device: DeviceWish::default(),
            dataset: DatasetSpec::default(),
            attack: AttackSpec::default(),
            model: ModelSpec::default(),
            pretrain: PretrainSpec::default(),
            implant: ImplantSpec::default(),
            knn: KnnSpec::default(),
            probe: ProbeSpec::default(),
            finetune: FinetuneSpec::default(),
            defence: DefenceSpec::default(),
        }
    }
}

/// The data set and how much of it to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// `shapes`, or the name of an added data set.
    pub name: String,
    /// Number of training images per class, the first by file name; defaults to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_per_class: Option<u32>,
    /// Number of validation images per class, the first by file name; defaults to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_per_class: Option<u32>,
}

impl DatasetSpec {
    /// Training images of each class, of which the data set has `counts[c]`.
    pub fn train_images(&self, counts: &[u32]) -> Vec<u32> {
        let limit = self.train_per_class.unwrap_or(u32::MAX);
        counts.iter().map(|&count| count.min(limit)).collect()
    }
}

impl Default for DatasetSpec {
    fn default() -> Self {
        Self { name: BUILTIN_DATASET.into(), train_per_class: None, test_per_class: None }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(value: &bool) -> bool {
    !value
}
