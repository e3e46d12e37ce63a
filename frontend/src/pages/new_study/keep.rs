//! What is being edited survives a reload, *Back*, and a preset chosen by mistake: it is kept in the browser until the study starts.

use leptos::prelude::*;
use shared::StudySpec;

use super::draft::Draft;
use crate::{
    components::{Glyph, Icon},
    kept,
};

const KEY: &str = "maskdoor-draft";

/// What was last edited and not started, if this version can read it.
pub fn draft() -> Option<StudySpec> {
    kept::value(KEY)
}

/// Keeps every change from now on.
pub fn keep(spec: RwSignal<StudySpec>) {
    Effect::new(move |before: Option<()>| {
        spec.track();
        // What the page started with was not edited yet.
        if before.is_some() {
            spec.with(|spec| kept::keep(KEY, spec));
        }
    });
}

/// Forgets what was edited, because it has become a study.
pub fn forget() {
    kept::forget(KEY);
}

/// Says that a draft was taken up again, or offers what a preset replaced.
#[component]
pub fn Notice(
    /// The study being edited.
    draft: Draft,
    /// What the form held before a preset replaced it.
    before: RwSignal<Option<StudySpec>>,
    /// Whether the form began with what was last edited.
    told: RwSignal<bool>,
) -> impl IntoView {
    let back = move |_| {
        if let Some(spec) = before.get_untracked() {
            before.set(None);
            draft.replace(spec);
        }
    };
    view! {
        <Show when=move || before.with(Option::is_some)>
            <p class="notice new-study-notice" role="status">
                <Icon glyph=Glyph::Info/>
                <span>"The preset replaced what you had edited."</span>
                <button type="button" class="button button-small" on:click=back>"Take it back"</button>
            </p>
        </Show>
        <Show when=move || told.get()>
            <p class="notice new-study-notice" role="status">
                <Icon glyph=Glyph::Info/>
                <span>"This is what you last edited and did not start. A preset starts over."</span>
                <button type="button" class="button button-small button-quiet" on:click=move |_| told.set(false)>"Close"</button>
            </p>
        </Show>
    }
}
