//! Numbers of the triggers.

use shared::{StudySpec, TriggerSpec, trigger::PatchedSpec};

use crate::pages::new_study::number::{Number, widened};

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
        _ => 0.0,
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
        _ => None,
    }
}

fn patch_mut(spec: &mut StudySpec) -> Option<&mut PatchedSpec> {
    match &mut spec.attack.trigger {
        TriggerSpec::Patched(patch) => Some(patch),
        _ => None,
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
