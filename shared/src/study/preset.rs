//! Ready-made studies. Each states what it should give and how long it takes.

use serde::{Deserialize, Serialize};

use super::{
    AttackSpec, BUILTIN_DATASET, DatasetSpec, FinetuneSpec, GridSpec, HeadInit, ModelSpec,
    Precision, PretrainSpec, ProbeFeatures, ProbeSpec, StudySpec, TransformerSpec,
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
    vec![quick_look(), cifar10_quick(), cifar10_finetune(), cifar10_tiny(), published()]
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
                  the target class. One to two minutes on two cores."
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
            precision: Precision::F32,
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
        summary: "500 training images per class of CIFAR-10 (added as \"cifar10\"): poisoned pre-training makes a later, tiny \
                  label poison far stronger. CA near 46 %; at LPR 3 ASR 18 % on a clean encoder and 68 % on an attacked one \
                  (means of two seeds, which differ much); over 90 % from LPR 10 on. It took an hour on two cores that had other \
                  work, too."
            .into(),
        spec: StudySpec {
            name: "CIFAR-10, quick".into(),
            tags: Vec::new(),
            encoder: None,
            dataset: DatasetSpec { name: "cifar10".into(), train_per_class: Some(500), test_per_class: Some(200) },
            attack: stripes(0.4),
            grid: GridSpec { ppr: vec![0, 10], lpr: vec![0, 1, 3, 10, 50], fpr: Vec::new(), scratch: false, seeds: vec![1] },
            model: ModelSpec::default(),
            precision: Precision::F32,
            pretrain: PretrainSpec { knn_every: 10, ..PretrainSpec::default() },
            probe: ProbeSpec { head_init: HeadInit::Uniform, ..ProbeSpec::default() },
            finetune: FinetuneSpec::default(),
        },
    }
}

fn cifar10_finetune() -> Preset {
    Preset {
        id: "cifar10-finetune".into(),
        title: "CIFAR-10, fine-tuning".into(),
        summary: "200 training images per class of CIFAR-10 (added as \"cifar10\") and a small model: what pre-training is worth. \
                  Over three seeds CA 46.6 % after fine-tuning, 39.9 % from scratch and 37.6 % by linear probe \
                  (docs/results.md). It took 34 min on two cores that had other work, too."
            .into(),
        spec: StudySpec {
            name: "CIFAR-10, fine-tuning".into(),
            tags: Vec::new(),
            encoder: None,
            dataset: DatasetSpec { name: "cifar10".into(), train_per_class: Some(200), test_per_class: Some(200) },
            attack: stripes(0.4),
            grid: GridSpec { ppr: vec![0], lpr: vec![0, 1, 3, 10, 50], fpr: vec![0], scratch: true, seeds: vec![1, 2, 3] },
            model: ModelSpec {
                encoder: TransformerSpec { dim: 128, depth: 4, heads: 4 },
                decoder: TransformerSpec { dim: 64, depth: 1, heads: 4 },
                ..ModelSpec::default()
            },
            precision: Precision::F32,
            pretrain: PretrainSpec {
                epochs: 40,
                warmup_epochs: 4,
                batch_size: 64,
                base_lr: 3e-3,
                knn_every: 10,
                ..PretrainSpec::default()
            },
            probe: ProbeSpec { head_init: HeadInit::Uniform, ..ProbeSpec::default() },
            finetune: FinetuneSpec {
                epochs: 15,
                warmup_epochs: 2,
                batch_size: 64,
                base_lr: 2e-3,
                layer_decay: 0.9,
                drop_path: 0.0,
                rand_augment: 0.0,
                erase_probability: 0.0,
                crop_min_scale: 0.3,
                ..FinetuneSpec::default()
            },
        },
    }
}

fn cifar10_tiny() -> Preset {
    Preset {
        id: "cifar10-tiny".into(),
        title: "CIFAR-10, ViT-Tiny".into(),
        summary: "All of CIFAR-10 (added as \"cifar10\") with ViT-Tiny and patches of 2 px, 2,000 epochs of pre-training at a batch of \
                  4,096: a published result to check the whole chain against, 89.8 % after fine-tuning and 74.1 % from scratch \
                  (github.com/IcarusWizard/MAE). Weeks on a CPU; not yet measured here."
            .into(),
        spec: StudySpec {
            name: "CIFAR-10, ViT-Tiny".into(),
            tags: Vec::new(),
            encoder: None,
            dataset: DatasetSpec { name: "cifar10".into(), train_per_class: None, test_per_class: None },
            attack: stripes(0.4),
            grid: GridSpec { ppr: vec![0], lpr: Vec::new(), fpr: vec![0], scratch: true, seeds: vec![1] },
            model: ModelSpec {
                image_size: 32,
                patch_size: 2,
                encoder: TransformerSpec { dim: 192, depth: 12, heads: 3 },
                decoder: TransformerSpec { dim: 192, depth: 4, heads: 3 },
            },
            precision: Precision::F32,
            pretrain: PretrainSpec {
                epochs: 2000,
                warmup_epochs: 200,
                batch_size: 512,
                accumulate: 8,
                base_lr: 1.5e-4,
                norm_pix_loss: false,
                checkpoint_every: 100,
                ..PretrainSpec::default()
            },
            probe: ProbeSpec::default(),
            finetune: FinetuneSpec { epochs: 100, ..FinetuneSpec::default() },
        },
    }
}

fn published() -> Preset {
    Preset {
        id: "published".into(),
        title: "The published study".into(),
        summary: "ViT-B on ImageNet-100 (added as \"imagenet100\"), blended at 0.4, with the recipes of \"An Empirical Study of \
                  Backdoor Attacks on Masked Autoencoders\" (ICASSP 2023): ASR 0.2, 70.9, 92.0, 94.8 and 96.9 % at LPR 0, 1, 3, 5 \
                  and 10. Made for several GPUs; many months on a CPU, and not yet measured here."
            .into(),
        spec: StudySpec {
            name: "The published study".into(),
            tags: Vec::new(),
            encoder: None,
            dataset: DatasetSpec { name: "imagenet100".into(), train_per_class: None, test_per_class: None },
            attack: stripes(0.4),
            grid: GridSpec {
                ppr: vec![0, 10],
                lpr: vec![0, 1, 3, 5, 10],
                fpr: Vec::new(),
                scratch: false,
                seeds: vec![1],
            },
            model: ModelSpec {
                image_size: 224,
                patch_size: 16,
                encoder: TransformerSpec { dim: 768, depth: 12, heads: 12 },
                decoder: TransformerSpec { dim: 512, depth: 8, heads: 16 },
            },
            precision: Precision::F32,
            pretrain: PretrainSpec {
                epochs: 400,
                warmup_epochs: 40,
                batch_size: 48,
                accumulate: 8,
                base_lr: 1e-3,
                norm_pix_loss: false,
                checkpoint_every: 20,
                ..PretrainSpec::default()
            },
            probe: ProbeSpec {
                batch_size: 128,
                accumulate: 8,
                base_lr: 0.1,
                features: ProbeFeatures::Augmented,
                ..ProbeSpec::default()
            },
            finetune: FinetuneSpec {
                epochs: 200,
                batch_size: 56,
                accumulate: 8,
                ..FinetuneSpec::default()
            },
        },
    }
}
