//! A specification in one sentence.

use shared::{
    RunKind, StudySpec,
    param::Value,
    study::{DatasetSpec, ProbeFeatures},
};

use crate::run_name::{label, value};

/// What the study does, in one sentence.
pub fn sentence(spec: &StudySpec, classes: &[String]) -> String {
    let settings = &spec.settings;
    let (model, probe) = (&settings.model, &settings.probe);
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
    let attack = spec.attack_name(classes);
    let (first, rest) = attack.split_at(attack.len().min(1));
    format!(
        "{}{rest} on {}: PPR {}{rates} with {} {}{}; ViT of {} × {} blocks on {}-px images{}, {}.",
        first.to_uppercase(),
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
    let own = |path: &str| {
        ["seed", "finetune.start", "attack.goal", "attack.further"].contains(&path)
            || path.ends_with(".poisons")
    };
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
        let trigger = shared::trigger::TriggerSpec::Sig(shared::trigger::SigSpec::default());
        spec.settings.attack.further =
            vec![shared::settings::BackdoorSpec { target_class: 1, trigger }];
        let told = sentence(&spec, &["airplane".into(), "automobile".into()]);
        assert!(
            told.starts_with(
                "Blended stripes 0.40 towards class 0 (airplane), SIG 40 towards class 1 (automobile) on cifar10"
            ),
            "{told}"
        );
        spec.settings.attack.further.clear();
        spec.axes.push(Axis::of("attack.trigger.ratio", [0.2, 0.3]));
        spec.settings.encoder = Some("mae-base".into());
        let told = sentence(&spec, &[]);
        assert!(told.starts_with("Blended towards class 0 on cifar10"), "{told}");
        assert!(told.contains("with seed 1; blend ratio: 0.2, 0.3; ViT"), "{told}");
        assert!(told.contains("32-px images, the imported encoder mae-base, nearest"), "{told}");
        spec.settings.attack.goal = shared::settings::AttackGoal::AllToAll;
        let told = sentence(&spec, &["airplane".into()]);
        assert!(
            told.starts_with("Blended towards the next class (all-to-all) on cifar10"),
            "{told}"
        );
        spec.axes.push(Axis::of("attack.goal", ["single_target", "all_to_all"]));
        let told = sentence(&spec, &["airplane".into()]);
        let both = "Blended towards class 0 (airplane) or the next class (all-to-all) on cifar10";
        assert!(told.starts_with(both) && !told.contains("goal"), "{told}");
    }
}
