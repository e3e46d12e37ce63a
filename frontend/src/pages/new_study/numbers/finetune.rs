//! Numbers of fine-tuning.

use super::fields::{real, whole};
use crate::pages::new_study::number::Number;

/// Fine-tuning.
pub static FINETUNE: [Number; 20] = [
    whole!(
        "finetune.epochs",
        "Epochs",
        "",
        1..=10_000,
        |s| s.finetune.epochs,
        "The whole encoder is trained: an epoch takes about twice as long as one of pre-training."
    ),
    whole!(
        "finetune.warmup_epochs",
        "Warm-up",
        "epochs",
        0..=10_000,
        |s| s.finetune.warmup_epochs,
        "The rate rises in a line before the cosine."
    ),
    whole!(
        "finetune.batch_size",
        "Batch",
        "images",
        1..=65_536,
        |s| s.finetune.batch_size,
        "The rate grows with it (base rate × batch × batches a step / 256)."
    ),
    whole!(
        "finetune.accumulate",
        "Batches a step",
        "",
        1..=4096,
        |s| s.finetune.accumulate,
        "Gradients of so many batches make one step: a large batch in little memory."
    ),
    real!(
        "finetune.base_lr",
        "Base learning rate",
        "per 256 images",
        1e-9..=100.0,
        1e-4,
        |s| s.finetune.base_lr,
        "AdamW's rate at the head; blocks below have less."
    ),
    real!(
        "finetune.min_lr",
        "Final learning rate",
        "",
        0.0..=100.0,
        1e-6,
        |s| s.finetune.min_lr,
        "Where the cosine ends."
    ),
    real!(
        "finetune.weight_decay",
        "Weight decay",
        "",
        0.0..=1.0,
        0.01,
        |s| s.finetune.weight_decay,
        "Not on tensors of one dimension, the CLS token and the positions."
    ),
    real!(
        "finetune.layer_decay",
        "Layer decay",
        "",
        0.01..=1.0,
        0.01,
        |s| s.finetune.layer_decay,
        "Factor of the rate from a block to the one below; 1 trains all alike. Lower keeps more of the encoder, and of its backdoor."
    ),
    real!(
        "finetune.clip_norm",
        "Gradient norm",
        "",
        0.0..=1e6,
        0.1,
        |s| s.finetune.clip_norm,
        "Longer gradients are shortened to it; 0 leaves them."
    ),
    real!(
        "finetune.drop_path",
        "Drop path",
        "share",
        0.0..=0.9,
        0.01,
        |s| s.finetune.drop_path,
        "Share of the images that skip the last block; falls to 0 at the first."
    ),
    real!(
        "finetune.label_smoothing",
        "Label smoothing",
        "share",
        0.0..=0.9,
        0.01,
        |s| s.finetune.label_smoothing,
        "Share of the label that is spread over all classes."
    ),
    real!(
        "finetune.mixup",
        "Mixup alpha",
        "",
        0.0..=100.0,
        0.1,
        |s| s.finetune.mixup,
        "Two images in one, triggers with them; 0 switches it off."
    ),
    real!(
        "finetune.cutmix",
        "CutMix alpha",
        "",
        0.0..=100.0,
        0.1,
        |s| s.finetune.cutmix,
        "A part of another image, perhaps with its trigger; 0 switches it off."
    ),
    real!(
        "finetune.mix_probability",
        "Mixed batches",
        "share",
        0.0..=1.0,
        0.05,
        |s| s.finetune.mix_probability,
        "Where mixup or CutMix is on."
    ),
    real!(
        "finetune.switch_probability",
        "CutMix instead of mixup",
        "share",
        0.0..=1.0,
        0.05,
        |s| s.finetune.switch_probability,
        "Where both are on."
    ),
    real!(
        "finetune.rand_augment",
        "RandAugment magnitude",
        "of 10",
        0.0..=10.0,
        0.5,
        |s| s.finetune.rand_augment,
        "Two operations a picture, behind the trigger: they turn, bend and recolour it. 0 switches it off."
    ),
    real!(
        "finetune.rand_augment_deviation",
        "RandAugment deviation",
        "",
        0.0..=10.0,
        0.1,
        |s| s.finetune.rand_augment_deviation,
        "How far the magnitude varies."
    ),
    real!(
        "finetune.erase_probability",
        "Erased images",
        "share",
        0.0..=1.0,
        0.05,
        |s| s.finetune.erase_probability,
        "A part of the image becomes noise, at times the trigger's."
    ),
    real!(
        "finetune.crop_min_scale",
        "Smallest crop",
        "share of the area",
        0.01..=1.0,
        0.01,
        |s| s.finetune.crop_min_scale,
        "A crop can cut a trigger away; 1 switches cropping off."
    ),
    whole!(
        "finetune.evaluate_every",
        "Evaluate every",
        "epochs",
        1..=10_000,
        |s| s.finetune.evaluate_every,
        "Points of the curves CA and ASR by epoch; a broken run goes on from the last of them."
    ),
];
