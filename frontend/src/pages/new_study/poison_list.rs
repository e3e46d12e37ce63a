//! The poison list: a file that names the training images to poison, instead of a random choice.

use leptos::{ev, html::Input, prelude::*, task::spawn_local};
use shared::poison::parse_list;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, HtmlInputElement};

use super::draft::Draft;
use crate::components::{FieldMessage, Glyph, Icon, format};

const PATH: &str = "attack.poisons";

/// The choice as text.
fn told(listed: Option<usize>) -> String {
    match listed {
        None => "drawn by the seed".into(),
        Some(count) => format!("{} listed", format::things(count as u64, "image", "images")),
    }
}

/// The choice.
#[component]
pub fn PoisonList() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let listed = draft.part(|spec| spec.settings.attack.poisons.as_ref().map(|list| list.len()));
    let failure = RwSignal::new(None::<String>);
    let input = NodeRef::<Input>::new();
    let set = move |list: Option<Vec<String>>| {
        failure.set(None);
        draft.edit(|spec| spec.settings.attack.poisons = list.map(Into::into));
    };
    let pick = move |event: ev::Event| {
        let Some(file) = picked(&event) else { return };
        spawn_local(async move {
            match read(&file).await {
                Some(text) => set(Some(parse_list(&text))),
                None => failure.set(Some(format!("the file {} cannot be read", file.name()))),
            }
            // So that the same file can be picked again after a change.
            if let Some(input) = input.get_untracked() {
                input.set_value("");
            }
        });
    };
    let own = draft.error_at(PATH);
    let error = Signal::derive(move || failure.get().or_else(|| own.get()));
    view! {
        <fieldset class="field" class:field-wrong=move || error.with(Option::is_some) data-field=PATH>
            <div class="field-head">
                <legend>"Chosen images"</legend>
                <span class="field-range">{move || told(listed.get())}</span>
            </div>
            <div class="chips">
                <label class="button">
                    <input
                        type="file"
                        class="visually-hidden"
                        id="poison-list-upload"
                        accept="text/plain,.txt"
                        node_ref=input
                        on:change=pick
                    />
                    <Icon glyph=Glyph::Upload/>
                    "Take from a list"
                </label>
                <Show when=move || listed.get().is_some()>
                    <button type="button" class="button" on:click=move |_| set(None)>
                        <Icon glyph=Glyph::Shuffle/>
                        "Draw them"
                    </button>
                </Show>
            </div>
            <FieldMessage id="attack-poisons-error".into() message=error/>
            <span class="field-why">
                "A text file of training images, one name per line; a study's page exports such a list. Each phase takes the first \
                 images of each class."
            </span>
        </fieldset>
    }
}

/// The file that was picked.
fn picked(event: &ev::Event) -> Option<File> {
    let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
    input.files()?.get(0)
}

/// The text of a file; `None` when the browser cannot read it.
async fn read(file: &File) -> Option<String> {
    JsFuture::from(file.text()).await.ok()?.as_string()
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_choice_in_words() {
        assert_eq!(told(None), "drawn by the seed");
        assert_eq!(told(Some(1)), "1 image listed");
        assert_eq!(told(Some(1200)), "1,200 images listed");
    }
}
