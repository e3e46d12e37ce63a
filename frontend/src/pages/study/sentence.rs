//! A specification in one sentence.

use shared::{
    StudySpec,
    study::{DatasetSpec, GridSpec, Precision, ProbeFeatures},
};

use crate::components::format::class_name;

/// What the study does, in one sentence.
pub fn sentence(spec: &StudySpec, classes: &[String]) -> String {
    let target = spec.attack.target_class;
    let name = class_name(target, classes);
    let features = match spec.probe.features {
        ProbeFeatures::Cached => "cached features",
        ProbeFeatures::Augmented => "fresh crops",
    };
    let GridSpec { lpr, fpr, scratch, .. } = &spec.grid;
    let phase = |there: bool, text: String| if there { text } else { String::new() };
    let fitted_by = spec.probe.fitted_by();
    let probe = phase(!lpr.is_empty(), format!(", linear probe by {fitted_by} on {features}"));
    let from_scratch = if *scratch { ", also from scratch" } else { "" };
    let epochs = spec.finetune.epochs;
    let finetune =
        phase(!fpr.is_empty(), format!(", {epochs} epochs of fine-tuning{from_scratch}"));
    let named = [("LPR", lpr), ("FPR", fpr)].into_iter().filter(|(_, counts)| !counts.is_empty());
    let rates =
        named.map(|(name, counts)| format!("{name} {}", listed(counts))).collect::<Vec<_>>();
    let rates = rates.join(" and ");
    let trigger = spec.attack.trigger.label();
    let encoder = match &spec.encoder {
        Some(name) => format!("the imported encoder {name}"),
        None => format!("{} epochs of pre-training", spec.pretrain.epochs),
    };
    let (first, rest) = trigger.split_at(trigger.len().min(1));
    format!(
        "{}{rest} towards class {target}{name} on {}: PPR {} × {} with {} {}; ViT of {} × {} blocks on {}-px images{}, \
         {encoder}{probe}{finetune}.",
        first.to_uppercase(),
        images(&spec.dataset),
        listed(&spec.grid.ppr),
        rates,
        if spec.grid.seeds.len() == 1 { "seed" } else { "seeds" },
        listed(&spec.grid.seeds),
        spec.model.encoder.dim,
        spec.model.encoder.depth,
        spec.model.image_size,
        if spec.precision == Precision::Bf16 { " in bf16" } else { "" },
    )
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

fn listed<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn a_study_in_one_sentence() {
        let spec = &presets()[1].spec;
        let mut one = spec.clone();
        one.grid.seeds = vec![1];
        assert_eq!(
            sentence(&one, &["airplane".into()]),
            "Blended stripes 0.40 towards class 0 (airplane) on cifar10 (500 training, 200 validation images per class): \
             PPR 0, 10 × LPR 0, 1, 3, 10, 50 with seed 1; ViT of 192 × 4 blocks on 32-px images, 60 epochs of \
             pre-training, linear probe by LARS from uniform weights on cached features."
        );
        one.encoder = Some("mae-base".into());
        assert!(
            sentence(&one, &[])
                .contains("32-px images, the imported encoder mae-base, linear probe")
        );
    }
}
