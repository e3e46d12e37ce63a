//! Settings of the model.

use super::{Setting, always, whole};
use crate::{run_kind::RunKind, settings::Settings};

fn pretraining(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Pretrain
}

pub(super) static MODEL: [Setting; 8] = [
    whole(
        "model.image_size",
        "Image size",
        "px",
        (8, 512),
        "Every image is resized to this square; a trigger's place is in these pixels.",
    )
    .matters_if(always),
    whole(
        "model.patch_size",
        "ViT patch",
        "px",
        (1, 256),
        "Divides the image size. Smaller patches give more tokens: finer, and slower.",
    )
    .matters_if(always),
    whole(
        "model.encoder.dim",
        "Encoder width",
        "",
        (4, 4096),
        "Numbers a token; a multiple of 4 and of the heads.",
    )
    .matters_if(always),
    whole(
        "model.encoder.depth",
        "Encoder depth",
        "blocks",
        (1, 64),
        "Deeper encoders learn more from more epochs.",
    )
    .matters_if(always),
    whole("model.encoder.heads", "Encoder heads", "", (1, 64), "Divide the width.")
        .matters_if(always),
    whole(
        "model.decoder.dim",
        "Decoder width",
        "",
        (4, 4096),
        "Used in pre-training only; the probe never sees it.",
    )
    .matters_if(pretraining),
    whole(
        "model.decoder.depth",
        "Decoder depth",
        "blocks",
        (1, 64),
        "A shallow one leaves the work to the encoder.",
    )
    .matters_if(pretraining),
    whole("model.decoder.heads", "Decoder heads", "", (1, 64), "Divide the decoder's width.")
        .matters_if(pretraining),
];
