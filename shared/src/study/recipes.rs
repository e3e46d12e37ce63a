//! Errors of the model and of the phases' recipes.

use super::{
    FinetuneSpec, ModelSpec, PretrainSpec, ProbeSpec, StudySpec, TransformerSpec, validate::Check,
};

/// Checks the model and every recipe.
pub(super) fn check_recipes(check: &mut Check, spec: &StudySpec) {
    check_model(check, &spec.model);
    check_pretrain(check, &spec.pretrain);
    check_probe(check, &spec.probe);
    check_finetune(check, &spec.finetune);
}

fn check_model(check: &mut Check, model: &ModelSpec) {
    check.within("model.image_size", model.image_size, 8, 512);
    check.that(
        model.patch_size > 0
            && model.image_size.is_multiple_of(model.patch_size)
            && model.patch_size < model.image_size,
        "model.patch_size",
        || {
            format!(
                "divides the image size of {} and is smaller than it, which {} does not",
                model.image_size, model.patch_size
            )
        },
    );
    for (name, part) in [("encoder", &model.encoder), ("decoder", &model.decoder)] {
        check_transformer(check, &format!("model.{name}"), part);
    }
}

fn check_transformer(check: &mut Check, path: &str, part: &TransformerSpec) {
    check.within(&format!("{path}.depth"), part.depth, 1, 64);
    check.within(&format!("{path}.heads"), part.heads, 1, 64);
    check.within(&format!("{path}.dim"), part.dim, 4, 4096);
    check.that(part.dim.is_multiple_of(4), &format!("{path}.dim"), || {
        format!("is a multiple of 4, which {} is not", part.dim)
    });
    check.that(
        part.heads > 0 && part.dim.is_multiple_of(part.heads),
        &format!("{path}.heads"),
        || format!("divides the width {}, which {} does not", part.dim, part.heads),
    );
}

fn check_pretrain(check: &mut Check, recipe: &PretrainSpec) {
    check.within("pretrain.epochs", recipe.epochs, 1, 10_000);
    check.within("pretrain.batch_size", recipe.batch_size, 1, 65_536);
    check_warmup(check, "pretrain.warmup_epochs", recipe.warmup_epochs, recipe.epochs);
    check.within("pretrain.accumulate", recipe.accumulate, 1, 4096);
    check.rate("pretrain.base_lr", recipe.base_lr, 1e-9, 100.0);
    check.rate("pretrain.min_lr", recipe.min_lr, 0.0, 100.0);
    check.rate("pretrain.weight_decay", recipe.weight_decay, 0.0, 1.0);
    check.that(recipe.mask_ratio > 0.0 && recipe.mask_ratio < 1.0, "pretrain.mask_ratio", || {
        format!(
            "is above 0 and below 1 (with 1 nothing would be visible), not {}",
            recipe.mask_ratio
        )
    });
    check_crop(check, "pretrain.crop_min_scale", recipe.crop_min_scale);
    check.within("pretrain.checkpoint_every", recipe.checkpoint_every, 1, 10_000);
    check.within("pretrain.knn_every", recipe.knn_every, 0, 10_000);
}

fn check_probe(check: &mut Check, recipe: &ProbeSpec) {
    check.within("probe.epochs", recipe.epochs, 1, 10_000);
    check.within("probe.batch_size", recipe.batch_size, 2, 65_536);
    check_warmup(check, "probe.warmup_epochs", recipe.warmup_epochs, recipe.epochs);
    check.within("probe.accumulate", recipe.accumulate, 1, 4096);
    check.rate("probe.base_lr", recipe.base_lr, 1e-9, 1000.0);
    check.rate("probe.min_lr", recipe.min_lr, 0.0, 1000.0);
    check.rate("probe.weight_decay", recipe.weight_decay, 0.0, 1.0);
    check_crop(check, "probe.crop_min_scale", recipe.crop_min_scale);
    check.within("probe.evaluate_every", recipe.evaluate_every, 1, 10_000);
}

fn check_finetune(check: &mut Check, recipe: &FinetuneSpec) {
    check.within("finetune.epochs", recipe.epochs, 1, 10_000);
    check.within("finetune.batch_size", recipe.batch_size, 1, 65_536);
    check.within("finetune.accumulate", recipe.accumulate, 1, 4096);
    check_warmup(check, "finetune.warmup_epochs", recipe.warmup_epochs, recipe.epochs);
    check.rate("finetune.base_lr", recipe.base_lr, 1e-9, 100.0);
    check.rate("finetune.min_lr", recipe.min_lr, 0.0, 100.0);
    check.rate("finetune.weight_decay", recipe.weight_decay, 0.0, 1.0);
    check.rate("finetune.layer_decay", recipe.layer_decay, 0.01, 1.0);
    check.rate("finetune.clip_norm", recipe.clip_norm, 0.0, 1e6);
    check.rate("finetune.drop_path", recipe.drop_path, 0.0, 0.9);
    check.rate("finetune.label_smoothing", recipe.label_smoothing, 0.0, 0.9);
    check.rate("finetune.mixup", recipe.mixup, 0.0, 100.0);
    check.rate("finetune.cutmix", recipe.cutmix, 0.0, 100.0);
    check.rate("finetune.mix_probability", recipe.mix_probability, 0.0, 1.0);
    check.rate("finetune.switch_probability", recipe.switch_probability, 0.0, 1.0);
    check.rate("finetune.rand_augment", recipe.rand_augment, 0.0, 10.0);
    check.rate("finetune.rand_augment_deviation", recipe.rand_augment_deviation, 0.0, 10.0);
    check.rate("finetune.erase_probability", recipe.erase_probability, 0.0, 1.0);
    check_crop(check, "finetune.crop_min_scale", recipe.crop_min_scale);
    check.within("finetune.evaluate_every", recipe.evaluate_every, 1, 10_000);
}

fn check_warmup(check: &mut Check, path: &str, warmup: u32, epochs: u32) {
    check.that(warmup <= epochs, path, || {
        format!("takes at most the {epochs} epochs of the training, not {warmup}")
    });
}

fn check_crop(check: &mut Check, path: &str, scale: f64) {
    check.that(scale > 0.0 && scale <= 1.0, path, || {
        format!("is above 0 and at most 1, not {scale}")
    });
}
