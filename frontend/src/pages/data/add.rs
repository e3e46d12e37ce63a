//! The form that adds a folder of images.

use leptos::{ev, prelude::*, task::spawn_local};
use shared::{
    api::{AddDataset, DatasetInfo, Problem},
    layout::Layout,
    study::FieldError,
};

use crate::{
    api,
    components::{Field, Glyph, Icon, ProblemBox, format::message_at},
};

/// What is wrong before the server is asked.
fn check(body: &AddDataset) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let sound = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if body.name.is_empty() || !body.name.chars().all(sound) {
        errors.push(FieldError::new("name", "takes letters, digits, - and _"));
    }
    if body.path.trim().is_empty() {
        errors.push(FieldError::new("path", "names a folder on the server's machine"));
    }
    errors
}

/// A name made from the last part of a folder: `/data/CIFAR 10/` gives `cifar-10`.
fn name_from(path: &str) -> String {
    let last = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .to_lowercase()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' })
        .collect();
    name.trim_matches('-').to_owned()
}

/// Whether all errors stand at fields of the form.
fn stand_at_fields(errors: &[FieldError]) -> bool {
    !errors.is_empty()
        && errors.iter().all(|error| ["name", "path"].contains(&error.field.as_str()))
}

/// The form.
#[component]
pub fn AddForm(
    /// Takes what was added.
    added: Callback<DatasetInfo>,
) -> impl IntoView {
    let (name, path) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let (named_by_hand, busy) = (RwSignal::new(false), RwSignal::new(false));
    let errors = RwSignal::new(Vec::<FieldError>::new());
    let problem = RwSignal::new(None::<Problem>);
    let at = move |field: &'static str| {
        Signal::derive(move || errors.with(|errors| message_at(errors, field)))
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let body =
            AddDataset { name: name.get_untracked(), path: path.get_untracked().trim().to_owned() };
        let wrong = check(&body);
        problem.set(None);
        errors.set(wrong.clone());
        if !wrong.is_empty() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            match api::post::<DatasetInfo>("/datasets", &body).await {
                Ok(set) => {
                    name.try_set(String::new());
                    path.try_set(String::new());
                    named_by_hand.try_set(false);
                    added.run(set);
                }
                Err(refused) => {
                    // What stands at a field need not be told a second time above the form.
                    let at_fields = stand_at_fields(&refused.errors);
                    errors.try_set(refused.errors.clone());
                    problem.try_set((!at_fields).then_some(refused));
                }
            }
            busy.try_set(false);
        });
    };
    view! {
        <section class="panel" aria-labelledby="add-title">
            <header class="panel-head">
                <h2 id="add-title">"Add a folder"</h2>
                <span class="muted small">"its layout is found from what lies in it; JPEG, PNG, WebP, PPM or records"</span>
            </header>
            <form class="panel-body add-form" on:submit=submit novalidate>
                <Field
                    path="path"
                    label="Folder"
                    why="On the machine that runs the server. Nothing is copied or changed."
                    error=at("path")
                    control=move |id, about| {
                        view! {
                            <input
                                type="text"
                                id=id
                                aria-describedby=about
                                placeholder="/data/cifar10"
                                autocomplete="off"
                                spellcheck="false"
                                prop:value=move || path.get()
                                on:input=move |event: ev::Event| {
                                    let text = event_target_value(&event);
                                    if !named_by_hand.get_untracked() {
                                        name.set(name_from(&text));
                                    }
                                    path.set(text);
                                }
                            />
                        }
                    }
                />
                <Field
                    path="name"
                    label="Name"
                    why="What studies call it: letters, digits, - and _."
                    error=at("name")
                    control=move |id, about| {
                        view! {
                            <input
                                type="text"
                                id=id
                                aria-describedby=about
                                placeholder="cifar10"
                                autocomplete="off"
                                spellcheck="false"
                                prop:value=move || name.get()
                                on:input=move |event: ev::Event| {
                                    named_by_hand.set(true);
                                    name.set(event_target_value(&event));
                                }
                            />
                        }
                    }
                />
                <button type="submit" class="button button-main" id="add-dataset" disabled=move || busy.get()>
                    <Icon glyph=Glyph::Folder/>
                    {move || if busy.get() { "Reading every image…" } else { "Add" }}
                </button>
                {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            </form>
            <Layouts/>
        </section>
    }
}

/// The layouts that a folder may have.
#[component]
fn Layouts() -> impl IntoView {
    let layouts = Layout::OF_FOLDERS
        .into_iter()
        .map(|layout| view! { <li>{layout.title()}": "<code>{layout.files()}</code></li> })
        .collect_view();
    view! {
        <details class="panel-body">
            <summary>"Layouts"</summary>
            <ul class="bullets">{layouts}</ul>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_from_the_folder() {
        assert_eq!(name_from("/data/CIFAR 10/"), "cifar-10");
        assert_eq!(name_from("C:\\images\\stl_10"), "stl_10");
        assert_eq!(name_from("/"), "");
    }

    #[test]
    fn what_is_missing_is_told_at_its_field() {
        let fields = |name: &str, path: &str| {
            let errors = check(&AddDataset { name: name.into(), path: path.into() });
            errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(fields("a b", " "), ["name", "path"]);
        assert_eq!(fields("cifar-10_x", "/data"), Vec::<String>::new());
    }
}
