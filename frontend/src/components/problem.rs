//! Messages about problems: beside a field, or as a box with what to do next.

use leptos::prelude::*;
use shared::api::Problem;

use super::{Glyph, Icon, message};

/// A problem of a whole page or form.
#[component]
pub fn ProblemBox(
    /// The problem.
    problem: Problem,
    /// Tries again, where that may help.
    #[prop(optional)]
    retry: Option<Callback<()>>,
) -> impl IntoView {
    let fields = problem
        .errors
        .iter()
        .map(
            |error| view! { <li><code>{error.field.clone()}</code>" "{message(&error.message)}</li> },
        )
        .collect_view();
    let has_fields = !problem.errors.is_empty();
    view! {
        <div class="notice notice-bad" role="alert">
            <Icon glyph=Glyph::Alert/>
            <div>
                <p><strong>{problem.title}</strong></p>
                <p>{message(&problem.detail)}</p>
                {problem
                    .request
                    .map(|id| view! { <p class="muted small">"Request "<code>{id}</code>" in the server's log"</p> })}
                {has_fields.then(|| view! { <ul class="bullets">{fields}</ul> })}
            </div>
            {retry
                .map(|retry| {
                    view! {
                        <button type="button" class="button" on:click=move |_| retry.run(())>
                            <Icon glyph=Glyph::Retry/>
                            "Try again"
                        </button>
                    }
                })}
        </div>
    }
}

/// The message under a field that says what is wrong with it.
#[component]
pub fn FieldMessage(
    /// The identifier that the field's `aria-describedby` names.
    id: String,
    /// What is wrong; without it, nothing is drawn.
    #[prop(into)]
    message: Signal<Option<String>>,
) -> impl IntoView {
    view! {
        <span class="field-error" id=id role="alert">
            {move || {
                message
                    .get()
                    .map(|message| {
                        view! {
                            <Icon glyph=Glyph::Alert/>
                            <span>{super::message(&sentence(&message))}</span>
                        }
                    })
            }}
        </span>
    }
}

/// A message with an initial capital and a full stop.
fn sentence(message: &str) -> String {
    let mut letters = message.trim().chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>());
    let text = first.unwrap_or_default() + letters.as_str();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text } else { text + "." }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("takes 1 to 5, not 9"), "Takes 1 to 5, not 9.");
        assert_eq!([sentence("Done."), sentence("")], ["Done.", ""]);
    }
}
