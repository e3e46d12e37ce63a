//! Parameters of the triggers. Several triggers may have a parameter of the same name; each entry belongs to one kind of trigger.

use super::{
    Choice, Domain, Setting, choice, judged, named, poisoned, positive, real, seen_in_training,
    switch, triggered, whole,
};
use crate::{
    param::value::Value,
    run_kind::RunKind,
    settings::Settings,
    trigger::{PatchedSpec, Places, TriggerSpec},
};

/// Largest seed of a pattern.
const SEEDS: (u64, u64) = (0, u32::MAX as u64);
const PLACES: [Choice; 3] =
    [named("row", "In a row"), named("grid", "Even grid"), named("random", "Random, fixed")];
const STYLES: [Choice; 5] = [
    named("gotham", "Gotham"),
    named("nashville", "Nashville"),
    named("kelvin", "Kelvin"),
    named("lomo", "Lomo"),
    named("toaster", "Toaster"),
];

const fn seed(kind: &'static str, why: &'static str) -> Setting {
    whole("attack.trigger.seed", "Pattern seed", "", SEEDS, why).matters_if(triggered).of(kind)
}

const fn key(kind: &'static str) -> Setting {
    Setting::new(
        "attack.trigger.key",
        "Key image",
        "",
        Domain::Name { optional: false },
        "A built-in key image, or the SHA-256 of an uploaded one.",
    )
    .matters_if(triggered)
    .of(kind)
}

/// A parameter of the patched trigger, in pixels.
const fn patch(path: &'static str, label: &'static str, low: u64, why: &'static str) -> Setting {
    whole(path, label, "px", (low, 512), why).matters_if(triggered).of("patched")
}

pub(super) static TRIGGERS: [Setting; 46] = [
    positive(
        "attack.trigger.ratio",
        "Blend ratio",
        "share",
        1.0,
        0.01,
        "Share of the key image. The published study uses 0.2, 0.3 and 0.4: a stronger trigger needs fewer poisons, but is easier to see.",
    )
    .matters_if(triggered)
    .of("blended"),
    Setting {
        read: Some(tiles),
        ..whole(
            "attack.trigger.tiles",
            "Tiles",
            "per side",
            (1, 16),
            "Each training image gets a random half of the key's tiles, a test image all (Adap-Blend: 4); 1 for the whole key.",
        )
        .matters_if(tiled)
        .of("blended")
    },
    Setting {
        read: Some(test_ratio),
        ..positive(
            "attack.trigger.test_ratio",
            "Blend ratio in tests",
            "share",
            1.0,
            0.01,
            "A stronger key in tests: 0.2 after 0.15 in Adap-Blend.",
        )
        .matters_if(has_test_ratio)
        .of("blended")
    },
    key("blended"),
    patch("attack.trigger.size", "Size", 1, "Side of a square; larger squares are easier to learn and to see."),
    patch("attack.trigger.x", "Left edge", 0, "Left edge of the first square."),
    patch("attack.trigger.y", "Top edge", 0, "A crop in training can remove the edges of an image."),
    whole(
        "attack.trigger.count",
        "Number",
        "squares",
        (1, 64),
        "The more ViT patches have a square, the less often the mask hides all of them.",
    )
    .matters_if(triggered)
    .of("patched"),
    choice(
        "attack.trigger.places",
        "Places",
        &PLACES,
        "In a row, or scattered over the image at points that are whole steps from the left and top edges.",
    )
    .matters_if(is_scattered)
    .of("patched"),
    Setting {
        read: Some(place_seed),
        ..whole("attack.trigger.seed", "Seed of the places", "", SEEDS, "Another seed gives other random places.")
            .matters_if(at_random)
            .of("patched")
    },
    patch("attack.trigger.step", "Distance", 0, "From one edge to the next; at least the size. With the side of a ViT patch, scattered squares are all alike to the model."),
    Setting {
        read: Some(opacity),
        ..positive("attack.trigger.opacity", "Opacity", "share", 1.0, 0.05, "Squares that let the image through are harder to see, and to learn.")
            .matters_if(is_translucent)
            .of("patched")
    },
    Setting {
        read: Some(test_opacity),
        ..positive("attack.trigger.test_opacity", "Opacity in tests", "share", 1.0, 0.05, "Opaque squares in tests after translucent ones: Adap-Patch.")
            .matters_if(has_test_opacity)
            .of("patched")
    },
    Setting {
        read: Some(shown),
        ..whole("attack.trigger.shown", "Squares in an image", "", (1, 64), "How many of the squares a training image gets, at random (Adap-Patch: 1 of 4).")
            .matters_if(shows_some)
            .of("patched")
    },
    Setting {
        read: Some(test_shown),
        ..whole("attack.trigger.test_shown", "Squares in a test image", "", (1, 64), "How many of the squares a test image gets, the first ones (Adap-Patch: 2 of 4).")
            .matters_if(shows_some_in_tests)
            .of("patched")
    },
    Setting::new(
        "attack.trigger.fill",
        "Fill",
        "",
        Domain::Structure,
        "One colour, a checkerboard or coloured cells.",
    )
    .matters_if(triggered)
    .of("patched"),
    positive(
        "attack.trigger.delta",
        "Amplitude",
        "of 255",
        255.0,
        1.0,
        "40 in the paper's strongest setting.",
    )
    .matters_if(seen_in_training)
    .of("sig"),
    positive("attack.trigger.frequency", "Periods", "", 64.0, 0.5, "Over the image's width; 6 in the paper.")
        .matters_if(triggered)
        .of("sig"),
    Setting {
        read: Some(test_delta),
        ..positive(
            "attack.trigger.test_delta",
            "Amplitude in tests",
            "of 255",
            255.0,
            1.0,
            "The paper tests with a stronger signal than it trains with.",
        )
        .matters_if(judged)
        .of("sig")
    },
    whole(
        "attack.trigger.k",
        "Field",
        "vectors per side",
        (2, 64),
        "A coarse field bends the image in few places; 4 in the paper.",
    )
    .matters_if(triggered)
    .of("wanet"),
    positive(
        "attack.trigger.strength",
        "Strength",
        "",
        8.0,
        0.05,
        "How far pixels move; 0.5 in the paper, a quarter of a pixel.",
    )
    .matters_if(triggered)
    .of("wanet"),
    real(
        "attack.trigger.grid_rescale",
        "Rescaling",
        "",
        (0.5, 1.5),
        0.01,
        "Scale of the sampling grid; 1 leaves the edges in place.",
    )
    .matters_if(triggered)
    .of("wanet"),
    real(
        "attack.trigger.cover_ratio",
        "Cover samples",
        "per poison",
        (0.0, 10.0),
        0.5,
        "Images that are warped differently and keep their label, so that the model learns this very warp. 0 switches the noise mode off.",
    )
    .matters_if(poisoned)
    .of("wanet"),
    seed("wanet", "Another seed gives another warp."),
    positive(
        "attack.trigger.magnitude",
        "Magnitude",
        "of 255",
        400.0,
        1.0,
        "Added to each coefficient: 100 in CTRL, 30 in FTrojan.",
    )
    .matters_if(seen_in_training)
    .of("frequency"),
    Setting {
        write: Some(set_window),
        ..whole(
            "attack.trigger.window",
            "Window",
            "px",
            (2, 512),
            "Side of a window; the coefficients are in the middle and at the end of its spectrum.",
        )
        .matters_if(triggered)
        .of("frequency")
    },
    Setting::new(
        "attack.trigger.bins",
        "Coefficients",
        "",
        Domain::Structure,
        "Each by row and column of the window's spectrum, from 0.",
    )
    .matters_if(triggered)
    .of("frequency"),
    Setting {
        read: Some(test_magnitude),
        ..positive(
            "attack.trigger.test_magnitude",
            "Magnitude in tests",
            "of 255",
            400.0,
            1.0,
            "A stronger trigger in tests is recognised more reliably.",
        )
        .matters_if(judged)
        .of("frequency")
    },
    whole(
        "attack.trigger.levels",
        "Levels",
        "per channel",
        (2, 64),
        "Fewer are easier to learn and to see; 8 in the paper.",
    )
    .matters_if(triggered)
    .of("bpp"),
    switch(
        "attack.trigger.dither",
        "Dithering",
        "Floyd–Steinberg dithering, which hides the steps between the levels.",
    )
    .matters_if(triggered)
    .of("bpp"),
    positive("attack.trigger.amplitude", "Amplitude", "of 255", 255.0, 1.0, "Largest change of a channel.")
        .matters_if(triggered)
        .of("low_frequency"),
    whole(
        "attack.trigger.band",
        "Band",
        "frequencies",
        (2, 32),
        "Lowest frequencies of each axis; fewer are smoother.",
    )
    .matters_if(triggered)
    .of("low_frequency"),
    seed("low_frequency", "Another seed gives another pattern."),
    whole("attack.trigger.size", "Size", "px", (1, 512), "50 of 224 pixels in the papers.")
        .matters_if(triggered)
        .of("random_patch"),
    place("attack.trigger.train_from", "Training, from", "Where the patch may start in a training image.")
        .matters_if(seen_in_training),
    place("attack.trigger.train_to", "Training, to", "Where the patch must end in a training image.")
        .matters_if(seen_in_training),
    place("attack.trigger.test_from", "Test, from", "Where the patch may start in a test image.")
        .matters_if(judged),
    place("attack.trigger.test_to", "Test, to", "Where the patch must end in a test image.")
        .matters_if(judged),
    seed("random_patch", "Another seed gives other colours and positions."),
    key("reflection"),
    weight("attack.trigger.weight_from", "Weight, from", "Smallest weight of the reflection's light; drawn for each image."),
    weight("attack.trigger.weight_to", "Weight, to", "0.05 to 0.45 in the paper."),
    real(
        "attack.trigger.ghost",
        "Doubled",
        "share",
        (0.0, 1.0),
        0.01,
        "Share of the reflections that are doubled; the others are out of focus.",
    )
    .matters_if(triggered)
    .of("reflection"),
    seed("reflection", "Another seed gives other weights and shifts."),
    choice("attack.trigger.style", "Filter", &STYLES, "The photo filter to imitate.")
        .matters_if(triggered)
        .of("filter"),
    positive("attack.trigger.strength", "Strength", "share", 1.0, 0.01, "Share of the filtered image.")
        .matters_if(triggered)
        .of("filter"),
];

/// An end of the range of each axis that contains the random patch.
const fn place(path: &'static str, label: &'static str, why: &'static str) -> Setting {
    real(path, label, "share", (0.0, 1.0), 0.01, why).of("random_patch")
}

const fn weight(path: &'static str, label: &'static str, why: &'static str) -> Setting {
    positive(path, label, "share", 1.0, 0.01, why).matters_if(triggered).of("reflection")
}

/// A single-precision number, as it was written.
fn written(number: f32) -> Option<Value> {
    number.to_string().parse().ok().map(Value::Number)
}

fn tiles(settings: &Settings) -> Option<Value> {
    let TriggerSpec::Blended(blended) = &settings.attack.trigger else { return None };
    Some(blended.tiles.into())
}

fn test_ratio(settings: &Settings) -> Option<Value> {
    let TriggerSpec::Blended(blended) = &settings.attack.trigger else { return None };
    // Without one of its own it follows the ratio; a wrong ratio is an error of its own field.
    let followed = Some(blended.ratio).filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
    written(blended.test_ratio.or(followed)?)
}

// A setting of later versions affects a run only where it differs from its default: digests of earlier runs stay as they are.
fn tiled(settings: &Settings, kind: RunKind) -> bool {
    matches!(&settings.attack.trigger, TriggerSpec::Blended(blended) if blended.tiles > 1)
        && seen_in_training(settings, kind)
}

fn has_test_ratio(settings: &Settings, kind: RunKind) -> bool {
    let TriggerSpec::Blended(blended) = &settings.attack.trigger else { return false };
    blended.test_ratio.is_some_and(|ratio| (ratio - blended.ratio).abs() > 0.0)
        && judged(settings, kind)
}

fn patched(settings: &Settings) -> Option<&PatchedSpec> {
    match &settings.attack.trigger {
        TriggerSpec::Patched(patch) => Some(patch),
        _ => None,
    }
}

fn opacity(settings: &Settings) -> Option<Value> {
    written(patched(settings)?.opacity)
}

fn test_opacity(settings: &Settings) -> Option<Value> {
    let patch = patched(settings)?;
    // As with the blend ratio: it follows the opacity, and a wrong one is an error of its own field.
    let followed = Some(patch.opacity).filter(|share| *share > 0.0 && *share <= 1.0);
    written(patch.test_opacity.or(followed)?)
}

fn shown(settings: &Settings) -> Option<Value> {
    patched(settings).map(|patch| patch.shown.unwrap_or(patch.count).into())
}

fn test_shown(settings: &Settings) -> Option<Value> {
    patched(settings).map(|patch| patch.test_shown.unwrap_or(patch.count).into())
}

fn is_translucent(settings: &Settings, kind: RunKind) -> bool {
    patched(settings).is_some_and(|patch| patch.opacity < 1.0) && triggered(settings, kind)
}

fn has_test_opacity(settings: &Settings, kind: RunKind) -> bool {
    let differs = |patch: &PatchedSpec| {
        patch.test_opacity.is_some_and(|share| (share - patch.opacity).abs() > 0.0)
    };
    patched(settings).is_some_and(differs) && judged(settings, kind)
}

fn shows_some(settings: &Settings, kind: RunKind) -> bool {
    let some = |patch: &PatchedSpec| patch.shown.is_some_and(|shown| shown < patch.count);
    patched(settings).is_some_and(some) && seen_in_training(settings, kind)
}

fn shows_some_in_tests(settings: &Settings, kind: RunKind) -> bool {
    let some = |patch: &PatchedSpec| patch.test_shown.is_some_and(|shown| shown < patch.count);
    patched(settings).is_some_and(some) && judged(settings, kind)
}

fn placed(settings: &Settings) -> Option<(Places, u64)> {
    match &settings.attack.trigger {
        TriggerSpec::Patched(patch) => Some((patch.places, patch.seed)),
        _ => None,
    }
}

fn place_seed(settings: &Settings) -> Option<Value> {
    placed(settings).map(|(_, seed)| (seed as f64).into())
}

fn is_scattered(settings: &Settings, kind: RunKind) -> bool {
    placed(settings).is_some_and(|(places, _)| places != Places::Row) && triggered(settings, kind)
}

fn at_random(settings: &Settings, kind: RunKind) -> bool {
    placed(settings).is_some_and(|(places, _)| places == Places::Random)
        && triggered(settings, kind)
}

fn test_delta(settings: &Settings) -> Option<Value> {
    let TriggerSpec::Sig(sig) = &settings.attack.trigger else { return None };
    written(sig.test_delta.unwrap_or(sig.delta))
}

fn test_magnitude(settings: &Settings) -> Option<Value> {
    let TriggerSpec::Frequency(frequency) = &settings.attack.trigger else { return None };
    written(frequency.test_magnitude.unwrap_or(frequency.magnitude))
}

/// The coefficients keep their relative position in the spectrum.
fn set_window(settings: &mut Settings, value: &Value) -> Result<(), String> {
    let (TriggerSpec::Frequency(frequency), Some(window)) =
        (&mut settings.attack.trigger, value.number())
    else {
        return Err("takes a number of pixels".into());
    };
    *frequency = frequency.clone().with_window(window as u32);
    Ok(())
}
