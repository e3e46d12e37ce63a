//! Settings of the model.

use super::{Setting, always, defence::trains_decoder, whole};
use crate::{run_kind::RunKind, settings::Settings};

fn decoding(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Pretrain || trains_decoder(settings, kind)
}

pub(super) static MODEL: [Setting; 8] = [
    whole(
        "model.image_size",
        "Image size",
        "px",
        (8, 512),
        "Every image is resized to this square; trigger positions are in these pixels.",
    )
    .matters_if(always),
    whole(
        "model.patch_size",
        "ViT patch",
        "px",
        (1, 256),
        "Must divide the image size. Smaller patches give more tokens: finer, but slower.",
    )
    .matters_if(always),
    whole(
        "model.encoder.dim",
        "Encoder width",
        "",
        (4, 4096),
        "Numbers per token; a multiple of 4 and of the number of heads.",
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
    whole("model.encoder.heads", "Encoder heads", "", (1, 64), "Must divide the width.")
        .matters_if(always),
    whole(
        "model.decoder.dim",
        "Decoder width",
        "",
        (4, 4096),
        "Used in pre-training, and for DeDe's trained decoder; the probe never sees it.",
    )
    .matters_if(decoding),
    whole(
        "model.decoder.depth",
        "Decoder depth",
        "blocks",
        (1, 64),
        "A shallow decoder leaves the work to the encoder.",
    )
    .matters_if(decoding),
    whole("model.decoder.heads", "Decoder heads", "", (1, 64), "Must divide the decoder's width.")
        .matters_if(decoding),
];
