//! Numbers of model, pre-training and linear probe.

use super::fields::{real, whole};
use crate::pages::new_study::number::Number;

/// Model: encoder and decoder.
pub static MODEL: [Number; 8] = [
    whole!(
        "model.image_size",
        "Image size",
        "px",
        8..=512,
        |s| s.model.image_size,
        "Every image is resized to this square; a trigger's place is in these pixels."
    ),
    whole!(
        "model.patch_size",
        "ViT patch",
        "px",
        1..=256,
        |s| s.model.patch_size,
        "Divides the image size. Smaller patches give more tokens: finer, and slower."
    ),
    whole!(
        "model.encoder.dim",
        "Encoder width",
        "",
        4..=4096,
        |s| s.model.encoder.dim,
        "Numbers a token; a multiple of 4 and of the heads."
    ),
    whole!(
        "model.encoder.depth",
        "Encoder depth",
        "blocks",
        1..=64,
        |s| s.model.encoder.depth,
        "Deeper encoders learn more from more epochs."
    ),
    whole!(
        "model.encoder.heads",
        "Encoder heads",
        "",
        1..=64,
        |s| s.model.encoder.heads,
        "Divide the width."
    ),
    whole!(
        "model.decoder.dim",
        "Decoder width",
        "",
        4..=4096,
        |s| s.model.decoder.dim,
        "Used in pre-training only; the probe never sees it."
    ),
    whole!(
        "model.decoder.depth",
        "Decoder depth",
        "blocks",
        1..=64,
        |s| s.model.decoder.depth,
        "A shallow one leaves the work to the encoder."
    ),
    whole!(
        "model.decoder.heads",
        "Decoder heads",
        "",
        1..=64,
        |s| s.model.decoder.heads,
        "Divide the decoder's width."
    ),
];

/// Pre-training.
pub static PRETRAIN: [Number; 11] = [
    whole!(
        "pretrain.epochs",
        "Epochs",
        "",
        1..=10_000,
        |s| s.pretrain.epochs,
        "Most of a study's time; a short pre-training hides a backdoor's strength."
    ),
    whole!(
        "pretrain.warmup_epochs",
        "Warm-up",
        "epochs",
        0..=10_000,
        |s| s.pretrain.warmup_epochs,
        "The rate rises in a line before the cosine; steadies the first steps."
    ),
    whole!(
        "pretrain.batch_size",
        "Batch",
        "images",
        1..=65_536,
        |s| s.pretrain.batch_size,
        "The rate grows with it (base rate × batch × batches a step / 256)."
    ),
    whole!(
        "pretrain.accumulate",
        "Batches a step",
        "",
        1..=4096,
        |s| s.pretrain.accumulate,
        "Gradients of so many batches make one step: a large batch in little memory."
    ),
    real!(
        "pretrain.base_lr",
        "Base learning rate",
        "per 256 images",
        1e-9..=100.0,
        1e-4,
        |s| s.pretrain.base_lr,
        "AdamW's rate for a batch of 256."
    ),
    real!(
        "pretrain.min_lr",
        "Final learning rate",
        "",
        0.0..=100.0,
        1e-5,
        |s| s.pretrain.min_lr,
        "Where the cosine ends."
    ),
    real!(
        "pretrain.weight_decay",
        "Weight decay",
        "",
        0.0..=1.0,
        0.01,
        |s| s.pretrain.weight_decay,
        "On tensors of more than one dimension."
    ),
    real!(
        "pretrain.mask_ratio",
        "Mask ratio",
        "share",
        0.01..=0.99,
        0.01,
        |s| s.pretrain.mask_ratio,
        "Share of the patches that are hidden, and so often the trigger is."
    ),
    real!(
        "pretrain.crop_min_scale",
        "Smallest crop",
        "share of the area",
        0.01..=1.0,
        0.01,
        |s| s.pretrain.crop_min_scale,
        "A crop can cut a trigger away; 1 switches cropping off."
    ),
    whole!(
        "pretrain.checkpoint_every",
        "Checkpoint every",
        "epochs",
        1..=10_000,
        |s| s.pretrain.checkpoint_every,
        "What Reconstruct can open; the last epoch always gives one."
    ),
    whole!(
        "pretrain.knn_every",
        "k-NN every",
        "epochs",
        0..=10_000,
        |s| s.pretrain.knn_every,
        "CA and ASR of nearest neighbours while the encoder learns, with the largest LPR's poisons; 0 switches it off."
    ),
];

/// Linear probe.
pub static PROBE: [Number; 9] = [
    whole!(
        "probe.epochs",
        "Epochs",
        "",
        1..=10_000,
        |s| s.probe.epochs,
        "With cached features an epoch takes a fraction of a second."
    ),
    whole!(
        "probe.warmup_epochs",
        "Warm-up",
        "epochs",
        0..=10_000,
        |s| s.probe.warmup_epochs,
        "The rate rises in a line before the cosine."
    ),
    whole!(
        "probe.batch_size",
        "Batch",
        "images",
        2..=65_536,
        |s| s.probe.batch_size,
        "BatchNorm takes its mean and variance from it."
    ),
    whole!(
        "probe.accumulate",
        "Batches a step",
        "",
        1..=4096,
        |s| s.probe.accumulate,
        "Gradients of so many batches make one step."
    ),
    real!(
        "probe.base_lr",
        "Base learning rate",
        "per 256 images",
        1e-9..=1000.0,
        0.1,
        |s| s.probe.base_lr,
        "LARS takes large rates (0.1–1), AdamW small ones (about 0.001)."
    ),
    real!(
        "probe.min_lr",
        "Final learning rate",
        "",
        0.0..=1000.0,
        1e-3,
        |s| s.probe.min_lr,
        "Where the cosine ends."
    ),
    real!(
        "probe.weight_decay",
        "Weight decay",
        "",
        0.0..=1.0,
        0.01,
        |s| s.probe.weight_decay,
        "0 in the published study."
    ),
    real!(
        "probe.crop_min_scale",
        "Smallest crop",
        "share of the area",
        0.01..=1.0,
        0.01,
        |s| s.probe.crop_min_scale,
        "With augmented features only."
    ),
    whole!(
        "probe.evaluate_every",
        "Evaluate every",
        "epochs",
        1..=10_000,
        |s| s.probe.evaluate_every,
        "Points of the curves CA and ASR by epoch."
    ),
];
