//! The numbers against the specification that they edit.

use shared::{
    StudySpec, TriggerSpec,
    study::presets,
    trigger::{CATALOGUE, Fill, Layout},
};

use super::{FINETUNE, MODEL, PATCH, PRETRAIN, PROBE, RATIO, trigger_numbers};
use crate::pages::new_study::number::Number;

fn blended() -> StudySpec {
    presets()[0].spec.clone()
}

fn patched() -> StudySpec {
    let mut spec = blended();
    spec.attack.trigger = TriggerSpec::Patched(Layout::Aligned.place(32, 4, 4, Fill::default()));
    spec
}

/// The first preset with every trigger that has numbers, and all that are optional in them given.
fn triggers() -> impl Iterator<Item = (StudySpec, &'static Number)> {
    CATALOGUE.iter().flat_map(|entry| {
        let mut spec = blended();
        spec.attack.trigger = entry.spec(32, 4);
        let numbers = trigger_numbers(spec.attack.trigger.kind());
        for number in numbers {
            let value = (number.get)(&spec);
            (number.set)(&mut spec, value);
        }
        numbers.iter().map(move |number| (spec.clone(), number))
    })
}

fn all() -> Vec<(StudySpec, &'static Number)> {
    let recipe = MODEL.iter().chain(&PRETRAIN).chain(&PROBE).chain(&FINETUNE).chain([&RATIO]);
    recipe
        .map(|number| (blended(), number))
        .chain(PATCH.iter().map(|number| (patched(), number)))
        .chain(triggers())
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
        let beyond = [number.low - number.step.max(0.011), number.high + number.step.max(0.011)];
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
