//! The tags for finding a study, as one line of text.

use leptos::{ev, prelude::*};

use super::draft::Draft;
use crate::components::{Field, format};

/// The field.
#[component]
pub fn TagsField() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let tags = draft.part(|spec| spec.tags.clone());
    let text = RwSignal::new(tags.get_untracked().join(", "));
    Effect::new(move |_| {
        let tags = tags.get();
        if format::tags(&text.get_untracked()) != tags {
            text.set(tags.join(", "));
        }
    });
    let typed = move |event: ev::Event| {
        let entry = event_target_value(&event);
        let tags = format::tags(&entry);
        text.set(entry);
        draft.edit(|spec| spec.tags = tags);
    };
    view! {
        <Field
            path="tags"
            label="Tags"
            error=draft.error_at("tags")
            control=move |id, about| {
                view! {
                    <input
                        type="text"
                        id=id
                        aria-describedby=about
                        autocomplete="off"
                        placeholder="none; separate with commas"
                        prop:value=move || text.get()
                        on:input=typed
                    />
                }
            }
        />
    }
}
