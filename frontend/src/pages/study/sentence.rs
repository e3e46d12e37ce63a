//! A specification in one sentence.

use shared::{
    RunKind, StudySpec,
    param::Value,
    study::{DatasetSpec, ProbeFeatures},
};

use crate::{
    components::format::class_name,
    run_name::{label, value},
};

/// What the study does, in one sentence.
pub fn sentence(spec: &StudySpec, classes: &[String]) -> String {
    let settings = &spec.settings;
    let (model, probe) = (&settings.model, &settings.probe);
    let target = settings.attack.target_class;
    let makes = |kind| spec.runs.contains(&kind);
    let features = match probe.features {
        ProbeFeatures::Cached => "cached features",
        ProbeFeatures::Augmented => "fresh crops",
    };
    let scratch = spec.values_of("finetune.start").contains(&"scratch".into());
    let mut recipe = vec![match &settings.encoder {
        Some(name) => format!("the imported encoder {name}"),
        None => format!("{} epochs of pre-training", settings.pretrain.epochs),
    }];
    let methods = spec.values_of("implant.method");
    if methods.iter().any(|method| *method != Value::from("none")) {
        recipe.push(format!("implanted backdoor: {}", listed("implant.method", &methods)));
    }
    if makes(RunKind::Knn) {
        recipe.push("nearest neighbours at each checkpoint".into());
    }
    if makes(RunKind::Probe) {
        recipe.push(format!("linear probe by {} on {features}", probe.fitted_by()));
    }
    if makes(RunKind::Finetune) {
        let also = if scratch { ", also from scratch" } else { "" };
        recipe.push(format!("{} epochs of fine-tuning{also}", settings.finetune.epochs));
    }
    if makes(RunKind::Defence) {
        let methods = listed("defence.method", &spec.values_of("defence.method"));
        recipe.push(format!("defences: {methods}"));
    }
    let rates =
        [(RunKind::Probe, "LPR", "probe.poisons"), (RunKind::Finetune, "FPR", "finetune.poisons")];
    let rates = rates.into_iter().filter(|(kind, ..)| makes(*kind));
    let rates: Vec<_> = rates
        .map(|(_, name, path)| format!("{name} {}", listed(path, &spec.values_of(path))))
        .collect();
    let rates =
        if rates.is_empty() { String::new() } else { format!(" × {}", rates.join(" and ")) };
    let seeds = spec.values_of("seed");
    let trigger = spec.trigger_name();
    let (first, rest) = trigger.split_at(trigger.len().min(1));
    format!(
        "{}{rest} towards class {target}{} on {}: PPR {}{rates} with {} {}{}; ViT of {} × {} blocks on {}-px images{}, {}.",
        first.to_uppercase(),
        class_name(target, classes),
        images(&settings.dataset),
        listed("pretrain.poisons", &spec.values_of("pretrain.poisons")),
        if seeds.len() == 1 { "seed" } else { "seeds" },
        listed("seed", &seeds),
        varied(spec),
        model.encoder.dim,
        model.encoder.depth,
        model.image_size,
        settings.precision.in_words().map_or_else(String::new, |words| format!(" {words}")),
        recipe.join(", "),
    )
}

/// The axes that the sentence does not mention elsewhere: `; blend ratio: 0.2, 0.3`.
fn varied(spec: &StudySpec) -> String {
    let own = |path: &str| path == "seed" || path == "finetune.start" || path.ends_with(".poisons");
    let others = spec.axes.iter().flat_map(|axis| &axis.paths).filter(|path| !own(path));
    let told = |path: &String| {
        format!("; {}: {}", within(&label(path)), listed(path, &spec.values_of(path)))
    };
    others.map(told).collect::<Vec<_>>().concat()
}

/// A label within a sentence: `blend ratio`, but `ViT patch`.
fn within(label: &str) -> String {
    let mut letters = label.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() && !label.starts_with("ViT") => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => label.to_owned(),
    }
}

fn images(dataset: &DatasetSpec) -> String {
    let limits: Vec<String> =
        [(dataset.train_per_class, "training"), (dataset.test_per_class, "validation")]
            .into_iter()
            .filter_map(|(limit, what)| limit.map(|limit| format!("{limit} {what}")))
            .collect();
    if limits.is_empty() {
        dataset.name.clone()
    } else {
        format!("{} ({} images per class)", dataset.name, limits.join(", "))
    }
}

fn listed(path: &str, values: &[Value]) -> String {
    values.iter().map(|its| value(path, its)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use shared::study::{Axis, presets};

    use super::*;

    #[test]
    fn a_study_in_one_sentence() {
        let mut spec = presets()[1].spec.clone();
        assert_eq!(
            sentence(&spec, &["airplane".into()]),
            "Blended stripes 0.40 towards class 0 (airplane) on cifar10 (500 training, 200 validation images per class): \
             PPR 0, 10 × LPR 0, 1, 3, 10, 50 with seed 1; ViT of 192 × 4 blocks on 32-px images, 60 epochs of \
             pre-training, nearest neighbours at each checkpoint, linear probe by LARS from uniform weights on cached \
             features."
        );
        spec.axes.push(Axis::of("attack.trigger.ratio", [0.2, 0.3]));
        spec.settings.encoder = Some("mae-base".into());
        let told = sentence(&spec, &[]);
        assert!(told.starts_with("Blended towards class 0 on cifar10"), "{told}");
        assert!(told.contains("with seed 1; blend ratio: 0.2, 0.3; ViT"), "{told}");
        assert!(told.contains("32-px images, the imported encoder mae-base, nearest"), "{told}");
    }
}
