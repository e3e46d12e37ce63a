//! The choice of a checkpoint, grouped by study, followed by the imported ones.

use leptos::{ev, prelude::*};
use shared::api::{CheckpointInfo, ImportedCheckpoint};

use super::{
    choice::{grouped, label, value},
    imported::PREFIX,
};

/// A drop-down of checkpoints.
#[component]
pub fn Picker(
    /// Identifier of the control.
    id: &'static str,
    /// Its name.
    name: &'static str,
    /// What can be chosen.
    #[prop(into)]
    checkpoints: Signal<Vec<CheckpointInfo>>,
    /// What is chosen.
    #[prop(into)]
    chosen: Signal<Option<CheckpointInfo>>,
    /// Imported ones that can be chosen.
    #[prop(optional, into)]
    imported: Signal<Vec<ImportedCheckpoint>>,
    /// The imported one that is chosen.
    #[prop(optional, into)]
    opened: Signal<Option<ImportedCheckpoint>>,
    /// Text of the empty option, if there is one.
    #[prop(optional)]
    none: Option<&'static str>,
    /// Called with run and file of another one, or with `imported` and its name.
    choose: Callback<Option<(String, String)>>,
    /// What is shown beside the name.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let groups = move || {
        let now = chosen.with(|checkpoint| checkpoint.as_ref().map(value));
        checkpoints
            .with(|all| grouped(all))
            .into_iter()
            .map(|group| {
                let options = group
                    .checkpoints
                    .iter()
                    .map(|checkpoint| {
                        let value = value(checkpoint);
                        let here = now.as_ref() == Some(&value);
                        view! { <option value=value selected=here>{label(checkpoint)}</option> }
                    })
                    .collect_view();
                view! { <optgroup label=group.name>{options}</optgroup> }
            })
            .collect_view()
    };
    let others = move || {
        let now = opened.with(|open| open.as_ref().map(|open| open.name.clone()));
        let options: Vec<_> = imported
            .get()
            .into_iter()
            .map(|checkpoint| {
                let here = now.as_ref() == Some(&checkpoint.name);
                let value = format!("{PREFIX}/{}", checkpoint.name);
                view! { <option value=value selected=here>{checkpoint.name}</option> }
            })
            .collect();
        (!options.is_empty()).then(|| view! { <optgroup label="Imported">{options}</optgroup> })
    };
    let without = move || {
        let here = chosen.with(Option::is_none);
        none.map(|text| view! { <option value="" selected=here>{text}</option> })
    };
    let changed = move |event: ev::Event| {
        let text = event_target_value(&event);
        choose.run(text.split_once('/').map(|(run, file)| (run.to_owned(), file.to_owned())));
    };
    view! {
        <label class="bench-checkpoint">
            <span>{name}</span>
            <span class="select">
                <select id=id on:change=changed>{without}{groups}{others}</select>
            </span>
            {children.map(|children| children())}
        </label>
    }
}
