//! Settings of the linear probe.

use super::{Choice, Setting, choice, named, positive, real, whole};
use crate::{
    run_kind::RunKind,
    settings::{ProbeFeatures, Settings},
};

const OPTIMIZERS: [Choice; 2] = [named("lars", "LARS"), named("adamw", "AdamW")];
const HEADS: [Choice; 2] =
    [named("normal", "Normal, as MAE"), named("uniform", "Uniform, as PyTorch")];
const FEATURES: [Choice; 2] = [named("cached", "Cached"), named("augmented", "Augmented")];

fn own(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Probe
}

// A defence that trains again does so by the probe's recipe, with poisons of its own, and evaluates at the end.
fn probe(settings: &Settings, kind: RunKind) -> bool {
    settings.trains_probe(kind)
}

fn augmented(settings: &Settings, kind: RunKind) -> bool {
    probe(settings, kind) && settings.probe.features == ProbeFeatures::Augmented
}

pub(super) static PROBE: [Setting; 13] = [
whole("probe.poisons", "Poisons in the probe", "", (0, 1_000_000), "LPR, in the unit of poison counts; 0 gives a clean probe.").matters_if(own),
whole("probe.epochs", "Epochs", "", (1, 10_000), "With cached features an epoch takes a fraction of a second.").matters_if(probe),
whole("probe.warmup_epochs", "Warm-up", "epochs", (0, 10_000), "The learning rate rises linearly before the cosine.").matters_if(probe),
whole("probe.batch_size", "Batch", "images", (2, 65_536), "BatchNorm computes its mean and variance over it.").matters_if(probe),
whole("probe.accumulate", "Batches per step", "", (1, 4096), "Batches whose gradients are accumulated into one step.").matters_if(probe),
real("probe.base_lr", "Base learning rate", "per 256 images", (1e-9, 1000.0), 0.1, "LARS needs large rates (0.1–1), AdamW small ones (about 0.001).").matters_if(probe),
real("probe.min_lr", "Final learning rate", "", (0.0, 1000.0), 1e-3, "The learning rate at the end of the cosine.").matters_if(probe),
real("probe.weight_decay", "Weight decay", "", (0.0, 1.0), 0.01, "0 in the published study.").matters_if(probe),
positive("probe.crop_min_scale", "Smallest crop", "share of the area", 1.0, 0.01, "Only with augmented features.").matters_if(augmented),
whole("probe.evaluate_every", "Evaluate every", "epochs", (1, 10_000), "Points of the CA and ASR curves.").matters_if(own),
choice("probe.optimizer", "Optimiser", &OPTIMIZERS, "Changes ASR by tens of points, so it is shown with every result; choose a matching base rate.").matters_if(probe),
choice("probe.head_init", "Initial weights", &HEADS, "LARS scales its steps by the weights, so the initial weights determine how far the head gets.").matters_if(probe),
choice("probe.features", "Features", &FEATURES, "Cached: each image and its mirror image are encoded once, then an epoch is fast; augmented: new crops each epoch, as in the reference.").matters_if(probe),
];
