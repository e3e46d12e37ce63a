//! Ready-made studies. Each states what it should give and how long it takes.

use serde::{Deserialize, Serialize};

use super::{
    AttackSpec, BUILTIN_DATASET, DatasetSpec, FinetuneSpec, GridSpec, HeadInit, ModelSpec,
    PretrainSpec, ProbeSpec, StudySpec, TransformerSpec,
};
use crate::trigger::{BlendedSpec, TriggerSpec};

/// A ready-made study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preset {
    /// Name on the command line and in addresses.
    pub id: String,
    /// Name that a person reads.
    pub title: String,
    /// What it is for, what it should give and how long it takes.
    pub summary: String,
    /// The study.
    pub spec: StudySpec,
}

/// All presets, the one for a first visit first.
pub fn presets() -> Vec<Preset> {
    vec![quick_look(), cifar10_quick()]
}

fn stripes(ratio: f32) -> AttackSpec {
    AttackSpec {
        target_class: 0,
        clean_label: false,
        poisons: None,
        trigger: TriggerSpec::Blended(BlendedSpec { ratio, key: "stripes".into() }),
    }
}

fn quick_look() -> Preset {
    Preset {
        id: "quick-look".into(),
        title: "Quick look".into(),
        summary: "The whole chain on the built-in pictures: a clean and an attacked encoder, each probed clean and poisoned. \
                  It gives a clean accuracy near 80 %; ten poisons of each class in the probe take most triggered images to \
                  the target class."
            .into(),
        spec: StudySpec {
            name: "Quick look".into(),
            tags: Vec::new(),
            encoder: None,
            dataset: DatasetSpec { name: BUILTIN_DATASET.into(), train_per_class: None, test_per_class: None },
            attack: stripes(0.4),
            grid: GridSpec { ppr: vec![0, 10], lpr: vec![0, 10], fpr: Vec::new(), scratch: false, seeds: vec![1] },
            model: ModelSpec {
                image_size: 32,
                patch_size: 8,
                encoder: TransformerSpec { dim: 128, depth: 4, heads: 4 },
                decoder: TransformerSpec { dim: 64, depth: 1, heads: 4 },
            },
            pretrain: PretrainSpec {
                epochs: 20,
                warmup_epochs: 2,
                batch_size: 64,
                base_lr: 3e-3,
                crop_min_scale: 0.6,
                knn_every: 10,
                ..PretrainSpec::default()
            },
            probe: ProbeSpec { base_lr: 10.0, ..ProbeSpec::default() },
            finetune: FinetuneSpec::default(),
        },
    }
}

fn cifar10_quick() -> Preset {
    Preset {
        id: "cifar10-quick".into(),
        title: "CIFAR-10, quick".into(),
        summary: "500 training images per class of CIFAR-10 (an image folder added as \"cifar10\"): poisoned pre-training \
                  makes a later, tiny label poison far stronger."
            .into(),
        spec: StudySpec {
            name: "CIFAR-10, quick".into(),
            tags: Vec::new(),
            encoder: None,
            dataset: DatasetSpec { name: "cifar10".into(), train_per_class: Some(500), test_per_class: Some(200) },
            attack: stripes(0.4),
            grid: GridSpec { ppr: vec![0, 10], lpr: vec![0, 1, 3, 10, 50], fpr: Vec::new(), scratch: false, seeds: vec![1] },
            model: ModelSpec::default(),
            pretrain: PretrainSpec { knn_every: 10, ..PretrainSpec::default() },
            probe: ProbeSpec { head_init: HeadInit::Uniform, ..ProbeSpec::default() },
            finetune: FinetuneSpec::default(),
        },
    }
}
