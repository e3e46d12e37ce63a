//! The form that adds a folder of images.

use leptos::{ev, prelude::*, task::spawn_local};
use shared::{
    api::{AddDataset, DatasetInfo, HoldOut, Problem, Share, Transparency},
    layout::Layout,
    study::FieldError,
};

use crate::{
    api,
    components::{Field, Glyph, Icon, ProblemBox, format::message_at},
};

/// The share of a text; none in an empty one.
fn share_of(text: &str) -> Result<Option<HoldOut>, FieldError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let share: Share = text.parse().map_err(|message: String| FieldError::new("share", message))?;
    Ok(Some(HoldOut { share, seed: 0 }))
}

/// What is wrong, found before the server is asked.
fn check(body: &AddDataset) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let sound = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if body.name.is_empty() || !body.name.chars().all(sound) {
        errors.push(FieldError::new("name", "takes letters, digits, - and _"));
    }
    if body.path.trim().is_empty() {
        errors.push(FieldError::new("path", "takes the path of a folder on the server's machine"));
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

/// Whether all errors belong to fields of the form.
fn stand_at_fields(errors: &[FieldError]) -> bool {
    !errors.is_empty()
        && errors.iter().all(|error| ["name", "path", "share"].contains(&error.field.as_str()))
}

/// The form.
#[component]
pub fn AddForm(
    /// Called with the added data set.
    added: Callback<DatasetInfo>,
) -> impl IntoView {
    let (name, path) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let share = RwSignal::new(String::new());
    let (named_by_hand, busy) = (RwSignal::new(false), RwSignal::new(false));
    let on_white = RwSignal::new(false);
    let errors = RwSignal::new(Vec::<FieldError>::new());
    let problem = RwSignal::new(None::<Problem>);
    let at = move |field: &'static str| {
        Signal::derive(move || errors.with(|errors| message_at(errors, field)))
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let hold_out = share_of(&share.get_untracked());
        let body = AddDataset {
            hold_out: hold_out.clone().unwrap_or_default(),
            name: name.get_untracked(),
            path: path.get_untracked().trim().to_owned(),
            transparency: if on_white.get_untracked() {
                Transparency::White
            } else {
                Transparency::Drop
            },
        };
        let mut wrong = check(&body);
        wrong.extend(hold_out.err());
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
                    share.try_set(String::new());
                    named_by_hand.try_set(false);
                    added.try_run(set);
                }
                Err(refused) => {
                    // Errors shown at a field are not repeated above the form.
                    let at_fields = stand_at_fields(&refused.errors);
                    errors.try_set(refused.errors.clone());
                    problem.try_set((!at_fields).then_some(refused));
                }
            }
            busy.try_set(false);
        });
    };
    let path_typed = Callback::new(move |text: String| {
        if !named_by_hand.get_untracked() {
            name.set(name_from(&text));
        }
        path.set(text);
    });
    let name_typed = Callback::new(move |text: String| {
        named_by_hand.set(true);
        name.set(text);
    });
    view! {
        <section class="panel" aria-labelledby="add-title">
            <header class="panel-head">
                <h2 id="add-title">"Add a folder"</h2>
                <span class="muted small">"the layout is detected from the contents: files, Parquet or WebDataset shards, lists, records"</span>
            </header>
            <form class="panel-body add-form" on:submit=submit novalidate>
                <TextField
                    text=&["path", "Folder", "/data/cifar10", "On the machine that runs the server. Nothing is copied or changed."]
                    value=path
                    typed=path_typed
                    error=at("path")
                />
                <TextField
                    text=&["name", "Name", "cifar10", "The name that studies use: letters, digits, - and _."]
                    value=name
                    typed=name_typed
                    error=at("name")
                />
                <TextField
                    text=&["share", "Share held out", "0.1", "Only for a folder without validation images: this share of each class validates."]
                    value=share
                    typed=Callback::new(move |text| share.set(text))
                    error=at("share")
                />
                <OnWhite on_white/>
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

/// A text field: path, label, example, and why it matters.
#[component]
fn TextField(
    text: &'static [&'static str; 4],
    value: RwSignal<String>,
    typed: Callback<String>,
    error: Signal<Option<String>>,
) -> impl IntoView {
    let &[path, label, placeholder, why] = text;
    view! {
        <Field
            path=path
            label=label
            why=why
            error=error
            control=move |id, about| {
                view! {
                    <input
                        type="text"
                        id=id
                        aria-describedby=about
                        placeholder=placeholder
                        autocomplete="off"
                        spellcheck="false"
                        prop:value=move || value.get()
                        on:input=move |event: ev::Event| typed.run(event_target_value(&event))
                    />
                }
            }
        />
    }
}

/// The choice for transparent pixels.
#[component]
fn OnWhite(on_white: RwSignal<bool>) -> impl IntoView {
    view! {
        <label class="check" title="Otherwise they show their colour without its alpha, as with torchvision.">
            <input
                type="checkbox"
                id="on-white"
                prop:checked=move || on_white.get()
                on:change=move |event: ev::Event| on_white.set(event_target_checked(&event))
            />
            "Transparent pixels on white"
        </label>
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
    fn a_share_is_a_fraction_or_nothing() {
        assert_eq!(share_of(" ").unwrap(), None);
        assert_eq!(share_of("0.25").unwrap().unwrap().share.to_string(), "0.25");
        assert_eq!(share_of("10").unwrap_err().field, "share");
    }

    #[test]
    fn what_is_missing_is_told_at_its_field() {
        let fields = |name: &str, path: &str| {
            let errors = check(&AddDataset {
                name: name.into(),
                path: path.into(),
                transparency: Transparency::Drop,
                hold_out: None,
            });
            errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(fields("a b", " "), ["name", "path"]);
        assert_eq!(fields("cifar-10_x", "/data"), Vec::<String>::new());
    }
}
