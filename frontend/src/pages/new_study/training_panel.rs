//! The training: one sentence of what holds, and every field of model and phases on demand.

use leptos::{ev, prelude::*};
use shared::{
    StudySpec,
    study::{
        FinetuneSpec, HeadInit, ModelSpec, Pooling, Precision, PretrainSpec, ProbeFeatures,
        ProbeOptimizer, ProbeSpec,
    },
};

use super::{
    choice::{Choice, Switch, SwitchField},
    draft::Draft,
    number::{Number, NumberField, written},
    numbers::{FINETUNE, MODEL, PRETRAIN, PROBE},
};

/// Of pre-training, then of fine-tuning.
static SWITCHES: [Switch; 3] = [
    Switch {
        path: "pretrain.norm_pix_loss",
        label: "Normalised pixels",
        default: true,
        why: "The target of each patch is normalised by its mean and deviation: better features, paler reconstructions.",
        get: |spec| spec.pretrain.norm_pix_loss,
        set: |spec, on| spec.pretrain.norm_pix_loss = on,
    },
    Switch {
        path: "pretrain.flip",
        label: "Mirror half of the images",
        default: true,
        why: "A mirrored image carries a mirrored trigger.",
        get: |spec| spec.pretrain.flip,
        set: |spec, on| spec.pretrain.flip = on,
    },
    Switch {
        path: "finetune.flip",
        label: "Mirror half of the images",
        default: true,
        why: "A mirrored image carries a mirrored trigger.",
        get: |spec| spec.finetune.flip,
        set: |spec, on| spec.finetune.flip = on,
    },
];

/// The recipe in a sentence.
fn sentence(spec: &StudySpec) -> String {
    let model = &spec.model;
    let features = match spec.probe.features {
        ProbeFeatures::Cached => "cached",
        ProbeFeatures::Augmented => "augmented",
    };
    let probe = format!(
        "; probe of {} epochs with {} on {features} features",
        spec.probe.epochs,
        spec.probe.fitted_by()
    );
    let finetune = format!("; fine-tuning of {} epochs", spec.finetune.epochs);
    let hidden = written((spec.pretrain.mask_ratio * 1000.0).round() / 10.0);
    let encoder = match &spec.encoder {
        Some(name) => format!("the imported encoder {name}"),
        None => format!("pre-training of {} epochs, {hidden} % hidden", spec.pretrain.epochs),
    };
    format!(
        "ViT {} × {} blocks on {} px with patches of {} px{}; {encoder}{}{}.",
        model.encoder.dim,
        model.encoder.depth,
        model.image_size,
        model.patch_size,
        if spec.precision == Precision::Bf16 { ", in bf16" } else { "" },
        if spec.grid.lpr.is_empty() { "" } else { &probe },
        if spec.grid.fpr.is_empty() { "" } else { &finetune },
    )
}

/// The specification that holds when a file names nothing, for the defaults beside the fields.
fn defaults(spec: &StudySpec) -> StudySpec {
    StudySpec {
        model: ModelSpec::default(),
        pretrain: PretrainSpec::default(),
        probe: ProbeSpec::default(),
        finetune: FinetuneSpec::default(),
        ..spec.clone()
    }
}

/// The panel. `open` tells whether the fields are shown.
#[component]
pub fn TrainingPanel(
    /// Whether the fields are shown.
    open: RwSignal<bool>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let told = draft.part(sentence);
    let defaults = draft.spec.with_untracked(defaults);
    let fields = move |numbers: &'static [Number]| {
        numbers
            .iter()
            .map(|number| view! { <NumberField number default=Some((number.get)(&defaults))/> })
            .collect_view()
    };
    let (model, pretrain) = (fields.clone()(&MODEL), fields.clone()(&PRETRAIN));
    let (probe, finetune) = (fields.clone()(&PROBE), fields(&FINETUNE));
    let switches = |of: &str| {
        let those = SWITCHES.iter().filter(|switch| switch.path.starts_with(of));
        those.map(|switch| view! { <SwitchField switch/> }).collect_view()
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
                    <div class="fields fields-model">
                        {model}
                        <Choice
                            path="precision"
                            label="Precision"
                            group="of the model"
                            default="single"
                            why="Numbers that layers and attention multiply. bf16 has 8 instead of 24 digits and is faster; sums stay single."
                            choices=vec![(Precision::F32, "Single (f32)"), (Precision::Bf16, "bf16")]
                            get=|spec| spec.precision
                            set=|spec, choice| spec.precision = choice
                        />
                    </div>
                    <h3>"Pre-training"</h3>
                    <div class="fields">{pretrain} {switches("pretrain.")}</div>
                    <h3>"Linear probe"</h3>
                    <div class="fields"><ProbeChoices/> {probe}</div>
                    <h3>"Fine-tuning"</h3>
                    <div class="fields">
                        <Choice
                            path="finetune.pooling"
                            label="Classified by"
                            group="in fine-tuning"
                            default="mean"
                            why="Mean of the patch tokens, as the reference; or the CLS token."
                            choices=vec![(Pooling::Mean, "Mean of patches"), (Pooling::Cls, "CLS token")]
                            get=|spec| spec.finetune.pooling
                            set=|spec, choice| spec.finetune.pooling = choice
                        />
                        {finetune}
                        {switches("finetune.")}
                    </div>
                </div>
            </details>
        </section>
    }
}

/// Optimiser, initial weights and features of the probe.
#[component]
fn ProbeChoices() -> impl IntoView {
    view! {
        <Choice
            path="probe.optimizer"
            label="Optimiser"
            group="of the probe"
            default="LARS"
            why="Moves ASR by tens of points, so it stands beside every result. Take a base rate to match."
            choices=vec![(ProbeOptimizer::Lars, "LARS"), (ProbeOptimizer::AdamW, "AdamW")]
            get=|spec| spec.probe.optimizer
            set=|spec, choice| spec.probe.optimizer = choice
        />
        <Choice
            path="probe.head_init"
            label="Initial weights"
            group="of the probe"
            default="normal"
            why="Normal: deviation .01, as the reference. Uniform: as a layer of PyTorch begins. LARS steps in proportion to them."
            choices=vec![(HeadInit::Normal, "Normal"), (HeadInit::Uniform, "Uniform")]
            get=|spec| spec.probe.head_init
            set=|spec, choice| spec.probe.head_init = choice
        />
        <Choice
            path="probe.features"
            label="Features"
            group="of the probe"
            default="cached"
            why="Cached: each image and its mirror image once, then seconds. Augmented: new crops each epoch, as the reference."
            choices=vec![(ProbeFeatures::Cached, "Cached"), (ProbeFeatures::Augmented, "Augmented")]
            get=|spec| spec.probe.features
            set=|spec, choice| spec.probe.features = choice
        />
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn the_recipe_is_told_in_a_sentence() {
        let mut spec = defaults(&presets()[0].spec);
        spec.pretrain.mask_ratio = 0.625;
        assert_eq!(
            sentence(&spec),
            "ViT 192 × 4 blocks on 32 px with patches of 4 px; pre-training of 60 epochs, 62.5 % hidden; probe of 90 \
             epochs with LARS on cached features."
        );
    }

    #[test]
    fn switches_edit_the_field_that_their_path_names() {
        for switch in &SWITCHES {
            let mut spec = presets()[0].spec.clone();
            (switch.set)(&mut spec, false);
            let json = serde_json::to_value(&spec).expect("JSON");
            assert_eq!(
                json.pointer(&format!("/{}", switch.path.replace('.', "/"))),
                Some(&false.into())
            );
            assert!(!(switch.get)(&spec));
        }
    }
}
