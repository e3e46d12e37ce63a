//! Properties of every trigger.

use proptest::prelude::*;

use super::*;

const SIDES: [u32; 3] = [16, 32, 64];

/// A key with structure in every channel.
fn key() -> Rgb8 {
    Rgb8::from_fn(20, 20, |x, y| [(x * 12) as u8, (y * 12) as u8, ((x + y) % 2 * 255) as u8])
}

fn prepared(spec: &TriggerSpec, side: u32, stage: Stage) -> Trigger {
    Trigger::prepare(spec, Some(&key()), side as usize, stage).expect("sound parameters")
}

fn image(side: u32, seed: u64) -> Rgb8 {
    let mut rng = stream(seed, Purpose::Show, 0, 0);
    Rgb8::from_fn(side as usize, side as usize, |_, _| {
        [0; 3].map(|_: u8| crate::stream::below(&mut rng, 256) as u8)
    })
}

#[test]
fn the_kinds_are_those_of_the_json() {
    let error = serde_json::from_str::<TriggerSpec>(r#"{"kind":"?"}"#).unwrap_err().to_string();
    let mut known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    let mut kinds = TriggerSpec::kinds();
    known.sort_unstable();
    kinds.sort_unstable();
    assert_eq!(known, kinds, "{error}");
    for entry in &CATALOGUE {
        let spec = entry.spec(32, 4);
        assert_eq!(serde_json::to_value(&spec).unwrap()["kind"], spec.kind());
    }
}

#[test]
fn every_entry_is_sound_at_every_usual_side_and_known_again() {
    for side in [8, 16, 32, 64, 96, 224] {
        for entry in &CATALOGUE {
            let spec = entry.spec(side, 4);
            assert_eq!(spec.validate(side, "t"), [], "{} at {side} px", entry.id);
            let back: TriggerSpec =
                serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
            assert_eq!(back, spec);
        }
    }
    for entry in &CATALOGUE {
        let found = CatalogueEntry::of(&entry.spec(32, 4), 32, 4);
        assert_eq!(found.id, entry.id);
    }
    let edited =
        TriggerSpec::Frequency(FrequencySpec { magnitude: 31.0, ..FrequencySpec::default() });
    assert_eq!(CatalogueEntry::of(&edited, 32, 4).id, "ctrl");
}

#[test]
fn published_places_at_32_and_224_pixels() {
    let square = |id: &str, side| {
        let entry = CATALOGUE.iter().find(|entry| entry.id == id).expect("an entry");
        match entry.spec(side, 4) {
            TriggerSpec::Patched(patch) => (patch.size, patch.x, patch.y),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(square("badnets", 32), (3, 28, 28));
    assert_eq!(square("trojan_square", 32), (8, 21, 21));
    assert_eq!(square("badencoder", 32), (10, 21, 21));
    assert_eq!(square("badencoder", 224), (50, 173, 173));
}

proptest! {
    #[test]
    fn a_trigger_keeps_the_size_changes_the_image_and_repeats_itself(
        entry in 0..CATALOGUE.len(), side in 0..SIDES.len(), seed: u64
    ) {
        let side = SIDES[side];
        let spec = CATALOGUE[entry].spec(side, 4);
        let clean = image(side, seed);
        for stage in [Stage::Train, Stage::Test] {
            let trigger = prepared(&spec, side, stage);
            let triggered = trigger.applied(&clean);
            prop_assert_eq!((triggered.width(), triggered.height()), (clean.width(), clean.height()));
            prop_assert_ne!(&triggered, &clean);
            prop_assert_eq!(&prepared(&spec, side, stage).applied(&clean), &triggered);
        }
    }

    #[test]
    fn squares_and_levels_are_the_same_when_they_come_twice(seed: u64, dark in 0..2usize) {
        // Opaque squares cover the same pixels again; a quantised value is its own nearest level.
        for id in ["patched", "badnets", "trojan_square", "badencoder", "bpp"] {
            let entry = CATALOGUE.iter().find(|entry| entry.id == id).expect("an entry");
            let trigger = prepared(&entry.spec(32, 4), 32, Stage::Train);
            let clean = if dark == 0 { Rgb8::filled(32, 32, [3; 3]) } else { image(32, seed) };
            let once = trigger.applied(&clean);
            prop_assert_eq!(trigger.applied(&once), once);
        }
    }

    #[test]
    fn squares_change_no_pixel_outside_them(seed: u64) {
        let clean = image(32, seed);
        for entry in &CATALOGUE {
            let TriggerSpec::Patched(patch) = entry.spec(32, 4) else { continue };
            let triggered = prepared(&TriggerSpec::Patched(patch.clone()), 32, Stage::Test).applied(&clean);
            for (x, y) in (0..1024).map(|i| (i % 32, i / 32)) {
                let inside = patch.squares(32).iter().any(|square| {
                    (square.x..square.x + square.size).contains(&(x as u32))
                        && (square.y..square.y + square.size).contains(&(y as u32))
                });
                prop_assert!(inside || triggered.pixel(x, y) == clean.pixel(x, y), "{} ({}, {})", entry.id, x, y);
            }
        }
    }

    #[test]
    fn no_parameter_makes_a_trigger_panic(
        a in -300f32..300.0, b in -2f32..300.0, n in 0u32..70, side in 1u32..40, seed: u64
    ) {
        let specs = [
            TriggerSpec::Patched(PatchedSpec {
                size: n, x: n / 3, y: n / 7, count: n, step: n / 2, places: if seed.is_multiple_of(2) { Places::Grid } else { Places::Random },
                ..PatchedSpec::default()
            }),
            TriggerSpec::Sig(SigSpec { delta: a, frequency: b, test_delta: Some(b) }),
            TriggerSpec::WaNet(WaNetSpec { k: n, strength: a, grid_rescale: b, cover_ratio: b, seed: seed >> 32 }),
            TriggerSpec::WaNet(WaNetSpec { k: n, strength: a.abs() / 10.0, seed: seed >> 32, ..WaNetSpec::default() }),
            TriggerSpec::Frequency(FrequencySpec { magnitude: a, window: n, bins: FrequencySpec::bins_of(n), test_magnitude: None }),
            TriggerSpec::Bpp(BppSpec { levels: n, dither: seed.is_multiple_of(2) }),
            TriggerSpec::LowFrequency(LowFrequencySpec { amplitude: a, band: n, seed: seed >> 32 }),
            TriggerSpec::RandomPatch(RandomPatchSpec { size: n, train_from: a / 300.0, train_to: b / 300.0, seed: seed >> 32, ..RandomPatchSpec::default() }),
            TriggerSpec::Reflection(ReflectionSpec { ghost: b / 300.0, weight_to: a / 300.0, seed: seed >> 32, ..ReflectionSpec::new("k") }),
            TriggerSpec::Filter(FilterSpec { style: Style::ALL[n as usize % 5], strength: a / 300.0 }),
        ];
        let clean = image(side, seed);
        for spec in specs {
            for stage in [Stage::Train, Stage::Test] {
                if let Ok(trigger) = Trigger::prepare(&spec, Some(&key()), side as usize, stage) {
                    trigger.applied(&clean);
                    trigger.cover(&clean);
                }
            }
        }
    }
}

#[test]
fn only_the_test_images_get_the_test_strength() {
    let spec = TriggerSpec::Sig(SigSpec { test_delta: Some(60.0), ..SigSpec::default() });
    let clean = Rgb8::filled(32, 32, [128; 3]);
    let [train, test] = [Stage::Train, Stage::Test].map(|stage| {
        let triggered = prepared(&spec, 32, stage).applied(&clean);
        triggered.data().iter().max().copied()
    });
    assert_eq!((train, test), (Some(168), Some(188)));
}

#[test]
fn only_warped_triggers_have_cover_samples() {
    for entry in &CATALOGUE {
        let spec = entry.spec(32, 4);
        let clean = image(32, 5);
        let covered = prepared(&spec, 32, Stage::Train).cover(&clean);
        assert_eq!(covered != clean, entry.id == "wanet");
        assert_eq!(spec.cover_ratio() > 0.0, entry.id == "wanet");
    }
}
