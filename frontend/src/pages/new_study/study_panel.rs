//! The study's name, the preset that it started with, and its data set.

use leptos::{ev, prelude::*};
use shared::{
    StudySpec,
    api::{DatasetInfo, ImportedCheckpoint},
    study::Preset,
};

use super::{
    draft::Draft, encoder_field::ENCODER, imported_field::ImportedField,
    setting_field::SettingField, tags::TagsField,
};
use crate::{
    base::to,
    components::{Field, format},
};

/// `5,000 training and 1,000 validation images in 10 classes`, after the limits.
fn size_text(dataset: &DatasetInfo, spec: &StudySpec) -> String {
    let sum = |counts: &[u32], limit: Option<u32>| -> u64 {
        counts.iter().map(|&count| u64::from(count.min(limit.unwrap_or(u32::MAX)))).sum()
    };
    format!(
        "{} training and {} validation images in {} classes",
        format::count(sum(&dataset.train_counts, spec.settings.dataset.train_per_class)),
        format::count(sum(&dataset.test_counts, spec.settings.dataset.test_per_class)),
        dataset.classes.len(),
    )
}

/// The panel.
#[component]
pub fn StudyPanel(
    /// All presets.
    presets: Vec<Preset>,
    /// The preset with which the form began, if it was one.
    #[prop(into)]
    preset: Signal<Option<String>>,
    /// Called with another preset.
    choose_preset: Callback<String>,
    /// All data sets.
    datasets: Signal<Vec<DatasetInfo>>,
    /// All imported checkpoints.
    imported: Signal<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let name = draft.part(|spec| spec.name.clone());
    let summary = {
        let presets = presets.clone();
        move || {
            let named = |known: &&Preset| preset.with(|id| id.as_ref() == Some(&known.id));
            presets.iter().find(named).map(|preset| preset.summary.clone())
        }
    };
    let size = move || {
        draft
            .dataset
            .with(|set| set.as_ref().map(|set| draft.spec.with(|spec| size_text(set, spec))))
    };
    view! {
        <section class="panel study-panel" aria-label="Study">
            <div class="panel-body fields study-fields">
                <PresetField presets preset choose=choose_preset/>
                <Field
                    path="name"
                    label="Name"
                    error=draft.error_at("name")
                    control=move |id, about| {
                        view! {
                            <input
                                type="text"
                                id=id
                                aria-describedby=about
                                maxlength="120"
                                autocomplete="off"
                                prop:value=move || name.get()
                                on:input=move |event: ev::Event| {
                                    let name = event_target_value(&event);
                                    draft.edit(|spec| spec.name = name);
                                }
                            />
                        }
                    }
                />
                <TagsField/>
                <DatasetField datasets/>
                <ImportedField named=ENCODER imported/>
                <SettingField path="dataset.train_per_class"/>
                <SettingField path="dataset.test_per_class"/>
                <p class="study-summary">
                    {summary} " " {size}
                </p>
            </div>
        </section>
    }
}

/// The preset that the form starts with.
#[component]
fn PresetField(
    presets: Vec<Preset>,
    preset: Signal<Option<String>>,
    choose: Callback<String>,
) -> impl IntoView {
    let options = move || {
        presets
            .iter()
            .map(|known| {
                let here = preset.with(|id| id.as_ref() == Some(&known.id));
                view! {
                    <option value=known.id.clone() selected=here>
                        {known.title.clone()}
                    </option>
                }
            })
            .collect_view()
    };
    let changed = move |event: ev::Event| choose.run(event_target_value(&event));
    // It cannot be chosen: it says that the form began with a copy, or with what was last edited.
    let none = move || {
        preset
            .with(Option::is_none)
            .then(|| view! { <option value="" selected disabled>"None"</option> })
    };
    view! {
        <Field
            path="preset"
            label="Preset"
            error=Signal::stored(None::<String>)
            control=move |id, about| {
                view! {
                    <span class="select">
                        <select id=id aria-describedby=about on:change=changed>
                            {none}
                            {options}
                        </select>
                    </span>
                }
            }
        />
    }
}

/// The data set.
#[component]
fn DatasetField(datasets: Signal<Vec<DatasetInfo>>) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(|spec| spec.settings.dataset.name.clone());
    let options = move || {
        let chosen = chosen.get();
        let all = datasets.get();
        // A missing data set stays visible, so that its error makes sense.
        let stray = (!all.iter().any(|set| set.name == chosen)).then(|| {
            let text = format!("{chosen} (missing)");
            view! { <option value=chosen.clone() selected=true>{text}</option> }
        });
        let known = all
            .into_iter()
            .map(|set| {
                let here = set.name == chosen;
                let text =
                    if set.builtin { format!("{}, built in", set.name) } else { set.name.clone() };
                view! { <option value=set.name selected=here>{text}</option> }
            })
            .collect_view();
        (stray, known)
    };
    let changed = move |event: ev::Event| {
        let name = event_target_value(&event);
        draft.edit(|spec| spec.settings.dataset.name = name);
    };
    let missing = Memo::new(move |_| {
        chosen.with(|chosen| datasets.with(|all| !all.iter().any(|set| set.name == *chosen)))
    });
    view! {
        <Field
            path="dataset.name"
            label="Data set"
            error=draft.error_at("dataset.name")
            control=move |id, about| {
                view! {
                    <span class="select">
                        <select id=id aria-describedby=about on:change=changed>
                            {options}
                        </select>
                    </span>
                    <Show when=move || missing.get()>
                        <a class="small" href=to("/data")>"Add a folder under this name"</a>
                    </Show>
                }
            }
        />
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn limits_count_in_the_size() {
        let mut spec = presets()[0].spec.clone();
        spec.settings.dataset.train_per_class = Some(500);
        spec.settings.dataset.test_per_class = None;
        let dataset = DatasetInfo {
            classes: vec!["a".into(), "b".into()],
            train_counts: vec![5000, 300],
            test_counts: vec![1000, 1000],
            ..DatasetInfo::default()
        };
        assert_eq!(
            size_text(&dataset, &spec),
            "800 training and 2,000 validation images in 2 classes"
        );
    }
}
