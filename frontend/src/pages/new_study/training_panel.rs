//! The training: a summary in one sentence, and every setting of the model and the run kinds on demand.

use leptos::{ev, prelude::*};
use shared::{RunKind, StudySpec, param::SETTINGS, settings::ProbeFeatures};

use super::{
    draft::Draft,
    setting_field::{SettingField, written},
};

/// Settings that other panels show.
const ELSEWHERE: [&str; 2] = ["finetune.start", "knn.poisons"];

/// The recipe in a sentence.
fn sentence(spec: &StudySpec) -> String {
    let settings = &spec.settings;
    let model = &settings.model;
    let features = match settings.probe.features {
        ProbeFeatures::Cached => "cached",
        ProbeFeatures::Augmented => "augmented",
    };
    let probe = format!(
        "; probe of {} epochs with {} on {features} features",
        settings.probe.epochs,
        settings.probe.fitted_by()
    );
    let finetune = format!("; fine-tuning of {} epochs", settings.finetune.epochs);
    let hidden = written((settings.pretrain.mask_ratio * 1000.0).round() / 10.0);
    let encoder = match &settings.encoder {
        Some(name) => format!("the imported encoder {name}"),
        None => format!("pre-training of {} epochs, {hidden} % hidden", settings.pretrain.epochs),
    };
    let made = |kind| spec.runs.contains(&kind);
    let probes = spec.runs.iter().any(|&kind| settings.trains_probe(kind));
    format!(
        "ViT {} × {} blocks on {} px with patches of {} px{}; {encoder}{}{}.",
        model.encoder.dim,
        model.encoder.depth,
        model.image_size,
        model.patch_size,
        settings.precision.in_words().map_or_else(String::new, |words| format!(", {words}")),
        if probes { &probe } else { "" },
        if made(RunKind::Finetune) { &finetune } else { "" },
    )
}

/// The settings of a part of a study that this panel shows.
fn paths(part: &str) -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.path).filter(move |path| {
        let below =
            path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        below && !path.ends_with(".poisons") && !ELSEWHERE.contains(path)
    })
}

/// The panel.
#[component]
pub fn TrainingPanel(
    /// Whether the fields are shown.
    open: RwSignal<bool>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let told = draft.part(sentence);
    let fields = |part: &'static str| {
        paths(part).map(|path| view! { <SettingField path defaulted=true/> }).collect_view()
    };
    view! {
        <section class="panel" aria-labelledby="training-title">
            <details
                prop:open=move || open.get()
                on:toggle=move |event: ev::Event| {
                    open.set(event_target::<web_sys::Element>(&event).has_attribute("open"));
                }
            >
                <summary class="panel-head">
                    <h2 id="training-title">"Training"</h2>
                    <span class="summary-text">{told}</span>
                    <span class="summary-more">{move || if open.get() { "Hide" } else { "Details" }}</span>
                </summary>
                <div class="panel-body">
                    <h3>"Model"</h3>
                    <div class="fields fields-model">{fields("model")} {fields("precision")}</div>
                    <h3>"Pre-training"</h3>
                    <div class="fields">{fields("pretrain")}</div>
                    <h3>"Linear probe"</h3>
                    <div class="fields">{fields("probe")}</div>
                    <h3>"Fine-tuning"</h3>
                    <div class="fields">{fields("finetune")}</div>
                </div>
            </details>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::{Settings, study::presets};

    use super::*;

    #[test]
    fn a_filter_that_trains_again_tells_the_probes_recipe() {
        let mut spec = presets()[0].spec.clone();
        spec.runs = vec![RunKind::Defence];
        assert!(!sentence(&spec).contains("; probe of"), "{}", sentence(&spec));
        spec.settings.defence.retrain = true;
        assert!(sentence(&spec).contains("; probe of"), "{}", sentence(&spec));
    }

    #[test]
    fn the_recipe_is_told_in_a_sentence() {
        let mut spec = presets()[0].spec.clone();
        spec.settings = Settings::default();
        spec.settings.pretrain.mask_ratio = 0.625;
        assert_eq!(
            sentence(&spec),
            "ViT 192 × 4 blocks on 32 px with patches of 4 px; pre-training of 60 epochs, 62.5 % hidden; probe of 90 \
             epochs with LARS on cached features."
        );
    }

    #[test]
    fn a_part_has_its_settings_and_no_other() {
        assert_eq!(paths("precision").collect::<Vec<_>>(), ["precision"]);
        assert!(paths("model").all(|path| path.starts_with("model.")));
        assert!(paths("pretrain").any(|path| path == "pretrain.flip"));
        assert!(!paths("probe").any(|path| path == "probe.poisons"));
    }
}
