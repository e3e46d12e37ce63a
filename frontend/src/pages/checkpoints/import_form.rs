//! The form that imports a checkpoint.

use leptos::{ev, prelude::*, task::spawn_local};
use shared::{
    api::{ImportCheckpoint, ImportedCheckpoint, Problem},
    study::FieldError,
};

use crate::{
    api,
    components::{Field, Glyph, Icon, ProblemBox, format::message_at},
};

/// Fields of the form that show their own errors.
const FIELDS: [&str; 6] = ["path", "name", "image_size", "heads", "decoder_heads", "entry"];

/// A text field: path, label, unit, example, and why it matters.
const TEXTS: [[&str; 5]; 6] = [
    [
        "path",
        "File",
        "",
        "/models/mae_pretrain_vit_base.pth",
        "On the machine that runs the server. The file is parsed, never executed.",
    ],
    ["name", "Name", "", "mae-base", "The name that studies use: letters, digits, - and _."],
    ["image_size", "Image size", "px", "as trained", "Positions are interpolated to another size."],
    [
        "heads",
        "Encoder heads",
        "",
        "default",
        "Not stored in the weights; taken from config.json or the width.",
    ],
    ["decoder_heads", "Decoder heads", "", "default", "As for the encoder."],
    ["entry", "Model", "", "the only one", "Of a file with several, such as teacher and student."],
];

/// The request made from the texts, or what is wrong with them, found before the server is asked.
fn request(texts: &[String; 6]) -> Result<ImportCheckpoint, Vec<FieldError>> {
    let [path, name, numbers @ .., entry] = texts.each_ref().map(|text| text.trim());
    let mut errors = Vec::new();
    let mut number = |at: usize| {
        let text = numbers[at];
        let parsed = text.parse::<u32>().ok().filter(|&number| number > 0);
        if parsed.is_none() && !text.is_empty() {
            errors.push(FieldError::new(FIELDS[2 + at], "takes a whole number, or nothing"));
        }
        parsed
    };
    let [image_size, heads, decoder_heads] = [0, 1, 2].map(&mut number);
    if path.is_empty() {
        errors.push(FieldError::new("path", "takes the path of a file on the server's machine"));
    }
    if name.is_empty() {
        errors.push(FieldError::new("name", "takes letters, digits, - and _"));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let (name, path) = (name.to_owned(), path.to_owned());
    let entry = (!entry.is_empty()).then(|| entry.to_owned());
    let rest = ImportCheckpoint::default();
    Ok(ImportCheckpoint { name, path, image_size, heads, decoder_heads, entry, ..rest })
}

/// The form.
#[component]
pub fn ImportForm(
    /// Called with the imported checkpoint.
    added: Callback<ImportedCheckpoint>,
) -> impl IntoView {
    let texts = RwSignal::new(FIELDS.map(|_| String::new()));
    let errors = RwSignal::new(Vec::<FieldError>::new());
    let problem = RwSignal::new(None::<Problem>);
    let busy = RwSignal::new(false);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        problem.set(None);
        let body = match texts.with_untracked(request) {
            Ok(body) => body,
            Err(wrong) => return errors.set(wrong),
        };
        errors.set(Vec::new());
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            match api::post::<ImportedCheckpoint>("/checkpoints/imported", &body).await {
                Ok(checkpoint) => {
                    texts.try_set(FIELDS.map(|_| String::new()));
                    added.run(checkpoint);
                }
                Err(refused) => {
                    let at_fields = !refused.errors.is_empty()
                        && refused
                            .errors
                            .iter()
                            .all(|error| FIELDS.contains(&error.field.as_str()));
                    errors.try_set(refused.errors.clone());
                    problem.try_set((!at_fields).then_some(refused));
                }
            }
            busy.try_set(false);
        });
    };
    let fields = TEXTS
        .iter()
        .enumerate()
        .map(|(at, text)| view! { <TextField at text texts errors/> })
        .collect_view();
    view! {
        <section class="panel" aria-labelledby="import-title">
            <header class="panel-head">
                <h2 id="import-title">"Import a checkpoint"</h2>
                <span class="muted small">
                    <code>".pth"</code>" from MAE and timm, "<code>".safetensors"</code>" from timm and Hugging Face"
                </span>
            </header>
            <form class="panel-body import-form" on:submit=submit novalidate>
                {fields}
                <button type="submit" class="button button-main" id="import-checkpoint" disabled=move || busy.get()>
                    <Icon glyph=Glyph::Upload/>
                    {move || if busy.get() { "Reading the file…" } else { "Import" }}
                </button>
                {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            </form>
        </section>
    }
}

#[component]
fn TextField(
    at: usize,
    text: &'static [&'static str; 5],
    texts: RwSignal<[String; 6]>,
    errors: RwSignal<Vec<FieldError>>,
) -> impl IntoView {
    let &[path, label, unit, placeholder, why] = text;
    view! {
        <Field
            path=path
            label=label
            range=Signal::stored(unit.to_owned())
            why=why
            error=Signal::derive(move || errors.with(|errors| message_at(errors, path)))
            control=move |id, about| {
                view! {
                    <input
                        type="text"
                        id=id
                        aria-describedby=about
                        placeholder=placeholder
                        autocomplete="off"
                        spellcheck="false"
                        prop:value=move || texts.with(|texts| texts[at].clone())
                        on:input=move |event: ev::Event| {
                            let text = event_target_value(&event);
                            texts.update(|texts| texts[at] = text);
                        }
                    />
                }
            }
        />
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: [&str; 6]) -> [String; 6] {
        texts.map(str::to_owned)
    }

    #[test]
    fn empty_numbers_are_left_to_the_file() {
        let body =
            request(&texts([" /m.pth ", "mae", "", "12", "", " teacher "])).expect("a request");
        assert_eq!((body.path.as_str(), body.name.as_str()), ("/m.pth", "mae"));
        assert_eq!((body.image_size, body.heads, body.decoder_heads), (None, Some(12), None));
        assert_eq!(body.entry.as_deref(), Some("teacher"));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_field() {
        let errors = request(&texts(["", "", "0", "x", "3", ""])).expect_err("errors");
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["image_size", "heads", "path", "name"]);
        assert!(TEXTS.iter().zip(FIELDS).all(|(text, field)| text[0] == field));
    }
}
