//! The key image of a trigger: an existing one, or an upload.

use leptos::{ev, html::Input, prelude::*, task::spawn_local};
use shared::api::KeyInfo;

use super::draft::Draft;
use crate::{
    api,
    components::{FieldMessage, Glyph, Icon, picked, send_file},
};

const PATH: &str = "attack.trigger.key";

/// The choice.
#[component]
pub fn KeyChoice(
    /// All key images.
    keys: Signal<Vec<KeyInfo>>,
    /// Called with an uploaded key image.
    uploaded: Callback<KeyInfo>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(|spec| spec.settings.attack.trigger.key().map(str::to_owned));
    let failure = RwSignal::new(None::<String>);
    let choose = move |id: String| {
        failure.set(None);
        draft.edit(|spec| {
            if let Some(key) = spec.settings.attack.trigger.key_mut() {
                *key = id;
            }
        });
    };
    let busy = RwSignal::new(false);
    let input = NodeRef::<Input>::new();
    let pick = move |event: ev::Event| {
        let Some(file) = picked(&event) else { return };
        busy.set(true);
        failure.set(None);
        spawn_local(async move {
            match send_file::<KeyInfo>("/keys", &file).await {
                Ok(key) => {
                    uploaded.run(key.clone());
                    choose(key.id);
                }
                Err(words) => failure.set(Some(words)),
            }
            busy.set(false);
            // So that the same file can be picked again after a change.
            if let Some(input) = input.get_untracked() {
                input.set_value("");
            }
        });
    };
    let own = draft.error_at(PATH);
    let error = Signal::derive(move || failure.get().or_else(|| own.get()));
    let choices = move || {
        keys.get()
            .into_iter()
            .map(|key| {
                let (id, name) = (key.id.clone(), key.name.clone());
                let image = api::address(format!("/keys/{}/image.png", api::escape(&key.id)));
                let title = format!("{name}, {} × {} px", key.width, key.height);
                let checked = {
                    let id = id.clone();
                    move || chosen.with(|chosen| chosen.as_deref() == Some(id.as_str()))
                };
                view! {
                    <label class="key" title=title>
                        <input
                            type="radio"
                            name="key"
                            value=id.clone()
                            prop:checked=checked
                            on:change=move |_| choose(id.clone())
                        />
                        <img src=image alt="" width="56" height="56"/>
                        <span>{name}</span>
                    </label>
                }
            })
            .collect_view()
    };
    view! {
        <fieldset class="field" class:field-wrong=move || error.with(Option::is_some) data-field=PATH id="attack-trigger-key">
            <div class="field-head">
                <legend>"Key image"</legend>
                <span class="field-range">"PNG, JPEG or WebP"</span>
            </div>
            <div class="keys">
                {choices}
                <label class="key key-upload" title="Upload your own image">
                    <input
                        type="file"
                        id="key-upload"
                        accept="image/png,image/jpeg,image/webp"
                        node_ref=input
                        disabled=move || busy.get()
                        on:change=pick
                    />
                    <span class="key-plus"><Icon glyph=Glyph::Upload/></span>
                    <span>{move || if busy.get() { "Sending…" } else { "Upload" }}</span>
                </label>
            </div>
            <FieldMessage id="attack-trigger-key-error".into() message=error/>
            <span class="field-why">"A regular pattern is learnt faster than a photograph."</span>
        </fieldset>
    }
}
