//! Every number of the form: its range as `StudySpec::validate` has it, and why it matters.

use shared::{StudySpec, TriggerSpec, trigger::PatchedSpec};

use super::number::{Number, widened};

/// A whole number at a place of the specification.
macro_rules! whole {
    ($path:literal, $label:literal, $unit:literal, $low:literal ..= $high:literal, |$spec:ident| $place:expr, $why:literal) => {
        Number {
            path: $path,
            label: $label,
            unit: $unit,
            low: $low as f64,
            high: $high as f64,
            step: 1.0,
            whole: true,
            why: $why,
            get: |$spec| f64::from($place),
            set: |$spec, value| $place = value as u32,
        }
    };
}

/// A number with a fraction at a place of the specification.
macro_rules! real {
    ($path:literal, $label:literal, $unit:literal, $low:literal ..= $high:literal, $step:literal, |$spec:ident| $place:expr, $why:literal) => {
        Number {
            path: $path,
            label: $label,
            unit: $unit,
            low: $low,
            high: $high,
            step: $step,
            whole: false,
            why: $why,
            get: |$spec| $place,
            set: |$spec, value| $place = value,
        }
    };
}

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
pub static PRETRAIN: [Number; 9] = [
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
        "Images a step; the rate grows with it (base rate × batch / 256)."
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
];

/// Linear probe.
pub static PROBE: [Number; 8] = [
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

/// Blend ratio.
pub static RATIO: Number = Number {
    path: "attack.trigger.ratio",
    label: "Blend ratio",
    unit: "share",
    low: 0.01,
    high: 1.0,
    step: 0.01,
    whole: false,
    why: "Share of the key image. The published study uses 0.2, 0.3 and 0.4: stronger is learnt from fewer poisons, and is easier to see.",
    get: |spec| match &spec.attack.trigger {
        TriggerSpec::Blended(blended) => widened(blended.ratio),
        TriggerSpec::Patched(_) => 0.0,
    },
    set: |spec, value| {
        if let TriggerSpec::Blended(blended) = &mut spec.attack.trigger {
            blended.ratio = value as f32;
        }
    },
};

fn patch(spec: &StudySpec) -> Option<&PatchedSpec> {
    match &spec.attack.trigger {
        TriggerSpec::Patched(patch) => Some(patch),
        TriggerSpec::Blended(_) => None,
    }
}

fn patch_mut(spec: &mut StudySpec) -> Option<&mut PatchedSpec> {
    match &mut spec.attack.trigger {
        TriggerSpec::Patched(patch) => Some(patch),
        TriggerSpec::Blended(_) => None,
    }
}

/// A whole number of the patch.
macro_rules! patched {
    ($path:literal, $label:literal, $low:literal, $field:ident, $why:literal) => {
        Number {
            path: $path,
            label: $label,
            unit: "px",
            low: $low,
            high: 512.0,
            step: 1.0,
            whole: true,
            why: $why,
            get: |spec| patch(spec).map_or(0.0, |patch| f64::from(patch.$field)),
            set: |spec, value| {
                if let Some(patch) = patch_mut(spec) {
                    patch.$field = value as u32;
                }
            },
        }
    };
}

/// Size, place, number and distance of the squares.
pub static PATCH: [Number; 5] = [
    patched!(
        "attack.trigger.size",
        "Size",
        1.0,
        size,
        "Side of a square; larger ones are learnt sooner and seen sooner."
    ),
    patched!("attack.trigger.x", "Left edge", 0.0, x, "Of the first square."),
    patched!(
        "attack.trigger.y",
        "Top edge",
        0.0,
        y,
        "A crop in training can cut the edges of an image away."
    ),
    Number {
        unit: "squares",
        high: 16.0,
        ..patched!(
            "attack.trigger.count",
            "Number",
            1.0,
            count,
            "Squares in a row, spread over several ViT patches."
        )
    },
    patched!(
        "attack.trigger.step",
        "Distance",
        1.0,
        step,
        "From one left edge to the next; at least the size."
    ),
];

#[cfg(test)]
mod tests {
    use shared::{
        study::presets,
        trigger::{Fill, Layout},
    };

    use super::*;

    fn blended() -> StudySpec {
        presets()[0].spec.clone()
    }

    fn patched() -> StudySpec {
        let mut spec = blended();
        spec.attack.trigger =
            TriggerSpec::Patched(Layout::Aligned.place(32, 4, 4, Fill::default()));
        spec
    }

    fn all() -> Vec<(StudySpec, &'static Number)> {
        let recipe = MODEL.iter().chain(&PRETRAIN).chain(&PROBE).chain([&RATIO]);
        recipe
            .map(|number| (blended(), number))
            .chain(PATCH.iter().map(|number| (patched(), number)))
            .collect()
    }

    /// The JSON value at a path of points.
    fn at_path(spec: &StudySpec, path: &str) -> f64 {
        let json = serde_json::to_value(spec).expect("JSON");
        let pointer = format!("/{}", path.replace('.', "/"));
        json.pointer(&pointer).and_then(serde_json::Value::as_f64).expect("a number at the path")
    }

    #[test]
    fn every_number_edits_the_field_that_its_path_names() {
        for (mut spec, number) in all() {
            assert!(
                (at_path(&spec, number.path) - (number.get)(&spec)).abs() < 1e-6,
                "{}",
                number.path
            );
            let other = (number.get)(&spec) + if number.whole { 1.0 } else { 0.125 };
            (number.set)(&mut spec, other);
            assert!((at_path(&spec, number.path) - other).abs() < 1e-6, "{}", number.path);
        }
    }

    #[test]
    fn values_outside_the_shown_range_are_refused_at_the_field() {
        for (spec, number) in all() {
            let beyond =
                [number.low - number.step.max(0.011), number.high + number.step.max(0.011)];
            for value in beyond.into_iter().filter(|&value| !number.whole || value >= 0.0) {
                // The number of squares has no limit of its own: it ends where the image does.
                if number.path == "attack.trigger.count" && value > 1.0 {
                    continue;
                }
                let mut spec = spec.clone();
                if number.path == "attack.trigger.step" {
                    (PATCH[3].set)(&mut spec, 2.0);
                }
                (number.set)(&mut spec, value);
                let found = spec.validate().into_iter().any(|error| {
                    error.field.starts_with("attack.trigger.") || error.field == number.path
                });
                assert!(found, "{} = {value}", number.path);
            }
        }
    }

    #[test]
    fn values_inside_the_shown_range_of_the_recipes_are_sound_by_themselves() {
        for (spec, number) in
            all().into_iter().filter(|(_, number)| !number.path.starts_with("attack."))
        {
            let mut spec = spec;
            (number.set)(&mut spec, number.low.max(f64::from(u32::from(number.whole))));
            let own = spec.validate().into_iter().filter(|error| error.field == number.path);
            let own: Vec<_> = own.filter(|error| error.message.starts_with("takes")).collect();
            assert_eq!(own, [], "{}", number.path);
        }
    }
}
