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

fn probe(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Probe
}

fn augmented(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Probe && settings.probe.features == ProbeFeatures::Augmented
}

pub(super) static PROBE: [Setting; 13] = [
whole("probe.poisons", "Poisons in the probe", "a class", (0, 1_000_000), "Poisoned images of each poisoned class (LPR); 0 gives a clean probe.").matters_if(probe),
whole("probe.epochs", "Epochs", "", (1, 10_000), "With cached features an epoch takes a fraction of a second.").matters_if(probe),
whole("probe.warmup_epochs", "Warm-up", "epochs", (0, 10_000), "The rate rises in a line before the cosine.").matters_if(probe),
whole("probe.batch_size", "Batch", "images", (2, 65_536), "BatchNorm takes its mean and variance from it.").matters_if(probe),
whole("probe.accumulate", "Batches a step", "", (1, 4096), "Batches whose gradients make one step.").matters_if(probe),
real("probe.base_lr", "Base learning rate", "per 256 images", (1e-9, 1000.0), 0.1, "LARS takes large rates (0.1–1), AdamW small ones (about 0.001).").matters_if(probe),
real("probe.min_lr", "Final learning rate", "", (0.0, 1000.0), 1e-3, "Where the cosine ends.").matters_if(probe),
real("probe.weight_decay", "Weight decay", "", (0.0, 1.0), 0.01, "0 in the published study.").matters_if(probe),
positive("probe.crop_min_scale", "Smallest crop", "share of the area", 1.0, 0.01, "With augmented features only.").matters_if(augmented),
whole("probe.evaluate_every", "Evaluate every", "epochs", (1, 10_000), "Points of the curves CA and ASR by epoch.").matters_if(probe),
choice("probe.optimizer", "Optimiser", &OPTIMIZERS, "Moves ASR by tens of points, so it stands beside every result; take a base rate to match.").matters_if(probe),
choice("probe.head_init", "Initial weights", &HEADS, "LARS steps in proportion to the weights, so their beginning decides how far the head comes.").matters_if(probe),
choice("probe.features", "Features", &FEATURES, "Cached: each image and its mirror image once, then seconds; augmented: new crops each epoch, as the reference.").matters_if(probe),
];
