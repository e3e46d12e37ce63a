//! Settings of the fine-tuning.

use super::{Choice, Setting, choice, named, positive, real, switch, whole};
use crate::{run_kind::RunKind, settings::Settings};

const STARTS: [Choice; 2] =
    [named("encoder", "Pre-trained encoder"), named("scratch", "From scratch")];
const POOLINGS: [Choice; 2] =
    [named("mean", "Mean of the patch tokens"), named("cls", "CLS token")];

fn finetune(_: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Finetune
}

fn mixed(settings: &Settings, kind: RunKind) -> bool {
    let recipe = &settings.finetune;
    kind == RunKind::Finetune && (recipe.mixup > 0.0 || recipe.cutmix > 0.0)
}

fn mixed_both_ways(settings: &Settings, kind: RunKind) -> bool {
    let recipe = &settings.finetune;
    kind == RunKind::Finetune && recipe.mixup > 0.0 && recipe.cutmix > 0.0
}

fn augmented(settings: &Settings, kind: RunKind) -> bool {
    kind == RunKind::Finetune && settings.finetune.augments()
}

pub(super) static FINETUNE: [Setting; 24] = [
whole("finetune.poisons", "Poisons in fine-tuning", "", (0, 1_000_000), "FPR, in the unit of poison counts; 0 gives a clean fine-tuning.").matters_if(finetune),
choice("finetune.start", "Start", &STARTS, "From scratch is the same training without pre-training, to measure the effect of pre-training.").matters_if(finetune),
whole("finetune.epochs", "Epochs", "", (1, 10_000), "The whole encoder is trained: an epoch takes about twice as long as one of pre-training.").matters_if(finetune),
whole("finetune.warmup_epochs", "Warm-up", "epochs", (0, 10_000), "The learning rate rises linearly before the cosine.").matters_if(finetune),
whole("finetune.batch_size", "Batch", "images", (1, 65_536), "The learning rate is proportional to it (base rate × batch × batches per step / 256).").matters_if(finetune),
whole("finetune.accumulate", "Batches per step", "", (1, 4096), "Batches whose gradients are accumulated into one step: a large batch with little memory.").matters_if(finetune),
real("finetune.base_lr", "Base learning rate", "per 256 images", (1e-9, 100.0), 1e-4, "AdamW's rate at the head; blocks below have lower rates.").matters_if(finetune),
real("finetune.min_lr", "Final learning rate", "", (0.0, 100.0), 1e-6, "The learning rate at the end of the cosine.").matters_if(finetune),
real("finetune.weight_decay", "Weight decay", "", (0.0, 1.0), 0.01, "Not applied to one-dimensional tensors, the CLS token and the positions.").matters_if(finetune),
real("finetune.layer_decay", "Layer decay", "", (0.01, 1.0), 0.01, "Factor of the rate from a block to the one below; 1 trains all blocks alike. Lower values keep more of the encoder, and of its backdoor.").matters_if(finetune),
real("finetune.clip_norm", "Gradient norm", "", (0.0, 1e6), 0.1, "Larger gradients are scaled down to it; 0 disables clipping.").matters_if(finetune),
real("finetune.drop_path", "Drop path", "share", (0.0, 0.9), 0.01, "Share of the images that skip the last block; decreases to 0 at the first.").matters_if(finetune),
real("finetune.label_smoothing", "Label smoothing", "share", (0.0, 0.9), 0.01, "Share of the label that is spread over all classes.").matters_if(finetune),
real("finetune.mixup", "Mixup alpha", "", (0.0, 100.0), 0.1, "Blends two images, including their triggers; 0 switches it off.").matters_if(finetune),
real("finetune.cutmix", "CutMix alpha", "", (0.0, 100.0), 0.1, "Pastes a part of another image, perhaps with its trigger; 0 switches it off.").matters_if(finetune),
real("finetune.mix_probability", "Mixed batches", "share", (0.0, 1.0), 0.05, "If mixup or CutMix is on.").matters_if(mixed),
real("finetune.switch_probability", "CutMix instead of mixup", "share", (0.0, 1.0), 0.05, "If both are on.").matters_if(mixed_both_ways),
real("finetune.rand_augment", "RandAugment magnitude", "of 10", (0.0, 10.0), 0.5, "Two operations per image after the trigger, which they rotate, distort and recolour. 0 switches it off.").matters_if(finetune),
real("finetune.rand_augment_deviation", "RandAugment deviation", "", (0.0, 10.0), 0.1, "How far the magnitude varies.").matters_if(augmented),
real("finetune.erase_probability", "Erased images", "share", (0.0, 1.0), 0.05, "A part of the image is replaced by noise, sometimes with the trigger.").matters_if(finetune),
positive("finetune.crop_min_scale", "Smallest crop", "share of the area", 1.0, 0.01, "A crop can remove the trigger; 1 switches cropping off.").matters_if(finetune),
whole("finetune.evaluate_every", "Evaluate every", "epochs", (1, 10_000), "Points of the CA and ASR curves; an interrupted run resumes from the last of them.").matters_if(finetune),
switch("finetune.flip", "Mirror", "Half of the images are mirrored, including their triggers.").matters_if(finetune),
choice("finetune.pooling", "Classified by", &POOLINGS, "The classifier's input; the mean is the reference's choice.").matters_if(finetune),
];
