//! The page "New study": an attack with its preview, the poisons, the varied settings, the training, and what will run.
//!
//! Address: `?preset=<id>` starts with a preset (the first one if absent), `?from=<study>` with a copy of a study,
//! `?encoder=<name>` with an imported checkpoint. `defend=<run>` beside `from` applies a defence to a run of that study, and `defend=encoder`
//! beside `encoder` to that checkpoint. Without any of them it starts with what was last edited and not started.

mod attack_panel;
mod axes_panel;
mod composed;
mod defence_fields;
mod defended;
mod device_field;
mod draft;
mod encoder_field;
mod further_backdoors;
mod implant_fields;
mod imported_field;
mod keep;
mod key_choice;
mod patch_controls;
mod plan_matrix;
mod plan_panel;
mod poison_list;
mod poison_panel;
mod preview_panel;
mod restorer_field;
mod setting_field;
mod study_panel;
mod tags;
mod training_panel;
mod trigger_choice;
mod trigger_controls;

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use shared::{
    StudySpec,
    api::{DatasetInfo, DeviceInfo, ImportedCheckpoint, KeyInfo, StudyDetail, SystemInfo},
    study::Preset,
};

use self::{
    attack_panel::AttackPanel, axes_panel::AxesPanel, draft::Draft, plan_panel::PlanPanel,
    poison_panel::PoisonPanel, preview_panel::PreviewPanel, study_panel::StudyPanel,
    training_panel::TrainingPanel,
};
use crate::{
    api,
    base::to,
    components::{Fetched, ProblemBox, fetched},
    frame::{Crumb, set_place},
};

/// The specification to start with: a copy of a study, or the named preset, or the first one.
fn beginning(
    presets: &[Preset],
    preset: Option<&str>,
    copied: Option<&StudySpec>,
) -> Option<StudySpec> {
    if let Some(spec) = copied {
        let name = format!("{} (copy)", spec.name).chars().take(120).collect();
        return Some(StudySpec { name, ..spec.clone() });
    }
    let named = presets.iter().find(|known| Some(known.id.as_str()) == preset);
    named.or(presets.first()).map(|preset| preset.spec.clone())
}

/// The page.
#[component]
pub fn NewStudyPage() -> impl IntoView {
    set_place(|| vec![Crumb::link("Studies", "/"), Crumb::here("New study")]);
    let query = use_query_map();
    let from = query.with_untracked(|query| query.get("from"));
    let wants_copy = from.is_some();
    let presets: Fetched<Vec<Preset>> = fetched(|| Some("/presets".into()));
    let datasets: Fetched<Vec<DatasetInfo>> = fetched(|| Some("/datasets".into()));
    let imports: Fetched<Vec<ImportedCheckpoint>> =
        fetched(|| Some("/checkpoints/imported".into()));
    let keys: Fetched<Vec<KeyInfo>> = fetched(|| Some("/keys".into()));
    let system: Fetched<SystemInfo> = fetched(|| Some("/system".into()));
    let copied: Fetched<StudyDetail> =
        fetched(move || from.as_ref().map(|id| format!("/studies/{}", api::escape(id))));

    let devices =
        Memo::new(move |_| system.value().map(|system| system.devices).unwrap_or_default());
    let ready = Memo::new(move |_| {
        let copy_is_here = !wants_copy || copied.get().is_some();
        let all_here = copy_is_here && imports.value().is_some() && datasets.value().is_some();
        all_here.then_some(()).and(presets.value())
    });
    let problem = move || {
        let first = presets.problem().or_else(|| datasets.problem());
        first.or_else(|| copied.problem()).or_else(|| imports.problem())
    };
    let retry = Callback::new(move |()| {
        presets.refetch();
        datasets.refetch();
        copied.refetch();
        imports.refetch();
    });
    let form = move || {
        let presets = ready.get()?;
        let preset = query.with_untracked(|query| query.get("preset"));
        let copy = copied.value().map(|study| study.spec);
        let imported = imports.value().unwrap_or_default();
        let encoder = query.with_untracked(|query| query.get("encoder"));
        let named = preset.is_some() || copy.is_some() || encoder.is_some();
        let kept = if named { None } else { keep::draft() };
        let is_kept = kept.is_some();
        let is_preset = !is_kept && copy.is_none();
        let mut spec = kept.or_else(|| beginning(&presets, preset.as_deref(), copy.as_ref()))?;
        let defend = query.with_untracked(|query| query.get("defend"));
        let run = defend.as_ref().and_then(|run| run.parse().ok());
        if let Some(defence) =
            copied.value().zip(run).and_then(|(study, run)| defended::run(&study, run))
        {
            spec = defence;
        }
        if let Some(checkpoint) = imported.iter().find(|it| Some(&it.name) == encoder.as_ref()) {
            spec.start_from(checkpoint);
            if defend.is_some() {
                defended::import(&mut spec);
            }
        }
        Some(
            view! { <Form presets spec is_kept is_preset datasets imported keys devices=devices.into()/> },
        )
    };
    view! {
        <header class="page-head">
            <h1>"New study"</h1>
        </header>
        {move || problem().map(|problem| view! { <ProblemBox problem retry/> })}
        {move || (ready.with(Option::is_none) && problem().is_none()).then(|| view! { <p class="loading" role="status">"Loading presets and data sets…"</p> })}
        {form}
    }
}

/// The form, once its data is loaded.
#[component]
fn Form(
    presets: Vec<Preset>,
    spec: StudySpec,
    /// Whether the specification is what was last edited.
    is_kept: bool,
    /// Whether it is a preset, even if the address names none.
    is_preset: bool,
    datasets: Fetched<Vec<DatasetInfo>>,
    imported: Vec<ImportedCheckpoint>,
    keys: Fetched<Vec<KeyInfo>>,
    devices: Signal<Vec<DeviceInfo>>,
) -> impl IntoView {
    let datasets = Signal::derive(move || datasets.value().unwrap_or_default());
    let draft = Draft::new(spec, datasets);
    provide_context(draft);
    keep::keep(draft.spec);
    // What the form held before a preset replaced it.
    let before = RwSignal::new(None::<StudySpec>);
    let told = RwSignal::new(is_kept);

    let query = use_query_map();
    let navigate = use_navigate();
    let first = presets.first().map(|preset| preset.id.clone()).filter(|_| is_preset);
    let preset =
        Memo::new(move |_| query.with(|query| query.get("preset")).or_else(|| first.clone()));
    let known = presets.clone();
    let choose_preset = Callback::new(move |id: String| {
        if let Some(preset) = known.iter().find(|preset| preset.id == id) {
            let edited = draft.spec.get_untracked();
            let is_preset = known.iter().any(|preset| preset.spec == edited);
            before.set((!is_preset).then_some(edited));
            told.set(false);
            draft.replace(preset.spec.clone());
        }
        let options =
            NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        navigate(&to(format!("/studies/new{}", api::query(&[("preset", &id)]))), options);
    });
    let all_keys = Signal::derive(move || keys.value().unwrap_or_default());
    let uploaded = Callback::new(move |key: KeyInfo| {
        let mut all = keys.value_untracked().unwrap_or_default();
        if !all.iter().any(|known| known.id == key.id) {
            all.push(key);
            keys.set(all);
        }
    });
    let imported = Signal::stored(imported);
    let training_open = RwSignal::new(false);
    view! {
        <form class="new-study" on:submit=|event| event.prevent_default() novalidate>
            <a class="skip" href="#start">"Skip to Start"</a>
            <keep::Notice draft before told/>
            <StudyPanel presets preset choose_preset datasets imported/>
            <div class="new-study-left">
                <AttackPanel keys=all_keys uploaded/>
                <PoisonPanel imports=imported/>
                <AxesPanel/>
            </div>
            <div class="new-study-right">
                <PreviewPanel/>
                <TrainingPanel open=training_open/>
                <PlanPanel devices training_open/>
            </div>
        </form>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn a_form_begins_with_what_the_address_names() {
        let all = presets();
        let name = |preset, copied| beginning(&all, preset, copied).map(|spec| spec.name);
        assert_eq!(name(None, None), Some(all[0].spec.name.clone()));
        assert_eq!(name(Some("cifar10-quick"), None), Some(all[1].spec.name.clone()));
        assert_eq!(name(Some("nowhere"), None), Some(all[0].spec.name.clone()));
        assert_eq!(name(None, Some(&all[1].spec)), Some(format!("{} (copy)", all[1].spec.name)));
        assert_eq!(beginning(&[], None, None), None);
    }
}
