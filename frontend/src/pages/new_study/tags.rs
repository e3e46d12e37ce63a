//! The tags for finding a study, as one line of text.

use leptos::{ev, prelude::*};

use super::draft::Draft;
use crate::components::Field;

/// Reads tags separated by commas.
fn parse_tags(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// The field.
#[component]
pub fn TagsField() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let tags = draft.part(|spec| spec.tags.clone());
    let text = RwSignal::new(tags.get_untracked().join(", "));
    Effect::new(move |_| {
        let tags = tags.get();
        if parse_tags(&text.get_untracked()) != tags {
            text.set(tags.join(", "));
        }
    });
    let typed = move |event: ev::Event| {
        let entry = event_target_value(&event);
        let tags = parse_tags(&entry);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_between_commas() {
        assert_eq!(parse_tags(" a b, ,c,"), ["a b", "c"]);
        assert!(parse_tags(" ").is_empty());
    }
}
