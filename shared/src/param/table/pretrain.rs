//! Settings of the pre-training, and of the nearest neighbours that evaluate its checkpoints.

use super::{Domain, Setting, positive, real, switch, whole};
use crate::{run_kind::RunKind, settings::Settings};

fn pretraining(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Pretrain
}

/// The pre-training, and a defence of its training set.
fn with_poisons(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Pretrain || kind == RunKind::Defence && settings.judges_pretraining()
}

fn neighbours(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Knn
}

pub(super) static PRETRAIN: [Setting; 14] = [
    whole(
        "pretrain.poisons",
        "Poisons in pre-training",
        "",
        (0, 1_000_000),
        "PPR, in the unit of poison counts; 0 gives a clean encoder.",
    )
    .matters_if(with_poisons),
    whole(
        "pretrain.epochs",
        "Epochs",
        "",
        (1, 10_000),
        "Takes most of a study's time; a short pre-training hides a backdoor's strength.",
    )
    .matters_if(pretraining),
    whole(
        "pretrain.warmup_epochs",
        "Warm-up",
        "epochs",
        (0, 10_000),
        "The learning rate rises linearly before the cosine, which stabilises the first steps.",
    )
    .matters_if(pretraining),
    whole(
        "pretrain.batch_size",
        "Batch",
        "images",
        (1, 65_536),
        "The learning rate is proportional to it (base rate × batch × batches per step / 256).",
    )
    .matters_if(pretraining),
    whole(
        "pretrain.accumulate",
        "Batches per step",
        "",
        (1, 4096),
        "Batches whose gradients are accumulated into one step: a large batch with little memory.",
    )
    .matters_if(pretraining),
    real(
        "pretrain.base_lr",
        "Base learning rate",
        "per 256 images",
        (1e-9, 100.0),
        1e-4,
        "AdamW's rate for a batch of 256.",
    )
    .matters_if(pretraining),
    real(
        "pretrain.min_lr",
        "Final learning rate",
        "",
        (0.0, 100.0),
        1e-5,
        "The learning rate at the end of the cosine.",
    )
    .matters_if(pretraining),
    real(
        "pretrain.weight_decay",
        "Weight decay",
        "",
        (0.0, 1.0),
        0.01,
        "Applied to tensors of more than one dimension.",
    )
    .matters_if(pretraining),
    Setting {
        domain: Domain::Real { low: 0.0, above: true, high: 1.0, below: true, step: 0.01 },
        ..positive(
            "pretrain.mask_ratio",
            "Mask ratio",
            "share",
            1.0,
            0.01,
            "Share of the patches that are hidden; the trigger is hidden just as often.",
        )
        .matters_if(pretraining)
    },
    positive(
        "pretrain.crop_min_scale",
        "Smallest crop",
        "share of the area",
        1.0,
        0.01,
        "A crop can remove the trigger; 1 switches cropping off.",
    )
    .matters_if(pretraining),
    whole(
        "pretrain.checkpoint_every",
        "Checkpoint every",
        "epochs",
        (1, 10_000),
        "Reconstruct can open these checkpoints; the last epoch always writes one.",
    )
    .matters_if(pretraining),
    switch(
        "pretrain.norm_pix_loss",
        "Normalised targets",
        "The pixels of a patch are predicted relative to its mean and deviation, as MAE does.",
    )
    .matters_if(pretraining),
    switch("pretrain.flip", "Mirror", "Half of the images are mirrored, including their triggers.")
        .matters_if(pretraining),
    whole(
        "knn.poisons",
        "Poisons among the neighbours",
        "",
        (0, 1_000_000),
        "Poisons among the candidates for nearest neighbours, in the unit of poison counts.",
    )
    .matters_if(neighbours),
];
