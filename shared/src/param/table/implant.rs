//! Settings of an implanted backdoor.

use super::{Choice, Domain, Setting, choice, named, positive, real, whole};
use crate::{
    run_kind::RunKind,
    settings::{ImplantMethod, Settings},
};

const METHODS: [Choice; 3] =
    [named("none", "None"), named("badencoder", "BadEncoder"), named("drupe", "DRUPE")];

fn implanting(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Implant
}

fn spreading(settings: &Settings, kind: RunKind) -> bool {
    implanting(settings, kind) && settings.implant.method == ImplantMethod::Drupe
}

pub(super) static IMPLANT: [Setting; 10] = [
    choice(
        "implant.method",
        "Implanted backdoor",
        &METHODS,
        "An attacker who has the trained encoder trains it further until triggered images have the features of the target class. Probes and fine-tunings start from the result.",
    )
    .matters_if(implanting),
    whole(
        "implant.epochs",
        "Epochs of implanting",
        "",
        (1, 10_000),
        "Passes over the shadow images.",
    )
    .matters_if(implanting),
    whole(
        "implant.batch_size",
        "Batch of implanting",
        "shadow images",
        (1, 65_536),
        "Each of them is processed with and without the trigger.",
    )
    .matters_if(implanting),
    real(
        "implant.base_lr",
        "Learning rate of implanting",
        "per 256 images",
        (1e-9, 100.0),
        1e-4,
        "AdamW's rate for a batch of 256, which falls along a cosine. Too high a rate costs clean accuracy.",
    )
    .matters_if(implanting),
    whole(
        "implant.references",
        "Reference images",
        "",
        (1, 1000),
        "Training images of the target class whose features triggered images get; the paper takes one to three.",
    )
    .matters_if(implanting),
    Setting::new(
        "implant.shadow_per_class",
        "Shadow images",
        "per class",
        Domain::Limit,
        "Unlabelled images that the attacker has: the first training images by file name.",
    )
    .matters_if(implanting),
    positive(
        "implant.reference_weight",
        "Weight of the references",
        "",
        1000.0,
        0.1,
        "How strongly reference images keep their features (lambda 1).",
    )
    .matters_if(implanting),
    positive(
        "implant.clean_weight",
        "Weight of clean images",
        "",
        1000.0,
        0.1,
        "How strongly clean images keep their features (lambda 2), and classifiers their accuracy.",
    )
    .matters_if(implanting),
    real(
        "implant.spread_weight",
        "Weight of spreading",
        "",
        (0.0, 1000.0),
        0.1,
        "DRUPE: how strongly triggered features are kept apart from each other, once the backdoor works.",
    )
    .matters_if(spreading),
    real(
        "implant.distance_weight",
        "Weight of the distribution",
        "",
        (0.0, 1000.0),
        0.1,
        "DRUPE: how strongly triggered features are distributed as clean ones are, once the backdoor works.",
    )
    .matters_if(spreading),
];
