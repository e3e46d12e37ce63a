//! Ctrl+K: a dialog that leads to every page, preset and study by a few letters of its name; and Ctrl+/: the list of keys.
//! No key works without Ctrl: a single letter would act for those who dictate (WCAG 2.2, 2.1.4).

use gloo_timers::future::TimeoutFuture;
use leptos::{ev, html::Input, prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::{
    api::{Page, StudySummary},
    study::Preset,
};
use web_sys::HtmlElement;

use super::rail::PLACES;
use crate::{
    api,
    base::to,
    components::{Glyph, Icon, Modal},
};

/// Milliseconds without a key after which studies are searched.
const REST: u32 = 150;
/// Most entries of a kind.
const MOST: usize = 8;

/// Every key that the pages know, and what it does.
const KEYS: [(&str, &str); 5] = [
    ("Ctrl K", "Go to a page, a preset or a study"),
    ("Ctrl /", "This list"),
    ("Enter", "Choose what has the focus, or a figure's value"),
    ("Arrow keys", "Values of a figure, images of a strip, a patch in the preview"),
    ("Esc", "Close, take back a choice"),
];

/// A place to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    title: String,
    kind: &'static str,
    href: String,
}

impl Entry {
    fn new(title: impl Into<String>, kind: &'static str, href: impl Into<String>) -> Self {
        Self { title: title.into(), kind, href: href.into() }
    }

    fn study(study: &StudySummary) -> Self {
        Self::new(&*study.name, "study", format!("/studies/{}", study.id))
    }

    /// Whether each word of the text is in its title or its kind.
    fn fits(&self, text: &str) -> bool {
        let name = format!("{} {}", self.title, self.kind).to_lowercase();
        text.to_lowercase().split_whitespace().all(|word| name.contains(word))
    }
}

/// The pages.
fn places() -> Vec<Entry> {
    let pages = PLACES.map(|(href, label, _)| Entry::new(label, "page", href));
    pages.into_iter().chain([Entry::new("New study", "page", "/studies/new")]).collect()
}

fn of_presets(presets: &[Preset]) -> Vec<Entry> {
    let of = |preset: &Preset| {
        let query = api::query(&[("preset", &preset.id)]);
        Entry::new(&*preset.title, "preset", format!("/studies/new{query}"))
    };
    presets.iter().map(of).collect()
}

/// Both dialogs, which the frame holds once.
#[component]
pub fn Palette() -> impl IntoView {
    let (going, told) = (RwSignal::new(false), RwSignal::new(false));
    let pressed = window_event_listener(ev::keydown, move |event| {
        let modified = (event.ctrl_key() || event.meta_key()) && !event.alt_key();
        let open = match event.key().as_str() {
            "k" | "K" => going,
            "/" => told,
            _ => return,
        };
        if modified {
            event.prevent_default();
            open.set(true);
        }
    });
    on_cleanup(move || pressed.remove());
    view! {
        <button
            type="button"
            class="button button-quiet palette-button"
            aria-label="Go to a page, a preset or a study (Ctrl K)"
            on:click=move |_| going.set(true)
        >
            <Icon glyph=Glyph::Search/>
            <kbd>"Ctrl K"</kbd>
        </button>
        <Modal class="palette" open=going label="Go to" close=Callback::new(move |()| going.set(false))>
            <Going open=going/>
        </Modal>
        <Modal class="palette" open=told label="Keys" close=Callback::new(move |()| told.set(false))>
            <Keys/>
        </Modal>
    }
}

#[component]
fn Going(open: RwSignal<bool>) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let chosen = RwSignal::new(0usize);
    let presets = RwSignal::new(Vec::new());
    let studies = RwSignal::new(Vec::new());
    spawn_local(async move {
        if let Ok(found) = api::get::<Vec<Preset>>("/presets").await {
            presets.try_set(of_presets(&found));
        }
    });
    let asked = StoredValue::new(0u64);
    Effect::new(move |_| {
        let text = text.get();
        let mine = asked.get_value() + 1;
        asked.set_value(mine);
        spawn_local(async move {
            TimeoutFuture::new(REST).await;
            if asked.try_get_value() != Some(mine) {
                return;
            }
            let query = api::query(&[("search", text.trim()), ("limit", &MOST.to_string())]);
            let found = api::get::<Page<StudySummary>>(format!("/studies{query}")).await;
            if let (Ok(page), true) = (found, asked.try_get_value() == Some(mine)) {
                studies.try_set(page.items.iter().map(Entry::study).collect::<Vec<_>>());
            }
        });
    });
    let entries = Memo::new(move |_| {
        let text = text.get();
        let fits = |entry: &Entry| entry.fits(&text);
        let pages = places().into_iter().chain(presets.get()).filter(fits).take(2 * MOST);
        // The server has searched the studies, in their tags as well.
        pages.chain(studies.get()).collect::<Vec<_>>()
    });
    let navigate = use_navigate();
    let go = Callback::new(move |at: usize| {
        let entry = entries.with_untracked(|entries| entries.get(at).cloned());
        if let Some(entry) = entry {
            open.set(false);
            navigate(&to(&entry.href), NavigateOptions::default());
        }
    });
    let count = move || entries.with_untracked(Vec::len).max(1);
    let pressed = move |event: ev::KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => chosen.update(|at| *at = (*at + 1) % count()),
            "ArrowUp" => chosen.update(|at| *at = (*at + count() - 1) % count()),
            "Enter" => go.run(chosen.get_untracked()),
            _ => return,
        }
        event.prevent_default();
    };
    let field = NodeRef::<Input>::new();
    Effect::new(move |_| {
        if let Some(field) = field.get() {
            // An element that cannot be focused was still shown.
            let _ = HtmlElement::focus(&field);
        }
    });
    let option = move |(at, entry): (usize, Entry)| {
        let is_chosen = move || chosen.get() == at;
        view! {
            <li
                id=format!("go-{at}")
                role="option"
                aria-selected=move || is_chosen().to_string()
                on:pointermove=move |_| chosen.set(at)
                on:click=move |_| go.run(at)
            >
                <span>{entry.title}</span>
                <span class="muted small">{entry.kind}</span>
            </li>
        }
    };
    view! {
        <label class="search palette-search">
            <span class="visually-hidden">"Page, preset or study"</span>
            <Icon glyph=Glyph::Search/>
            <input
                type="text"
                role="combobox"
                aria-expanded="true"
                aria-controls="go-list"
                aria-activedescendant=move || format!("go-{}", chosen.get())
                autocomplete="off"
                placeholder="Page, preset or study"
                node_ref=field
                prop:value=move || text.get()
                on:input=move |event: ev::Event| {
                    chosen.set(0);
                    text.set(event_target_value(&event));
                }
                on:keydown=pressed
            />
        </label>
        <ul class="palette-list" id="go-list" role="listbox" aria-label="Places">
            {move || entries.get().into_iter().enumerate().map(option).collect_view()}
        </ul>
        <p class="palette-foot muted small" role="status">
            {move || entries.with(|entries| {
                if entries.is_empty() { "Nothing has this name." } else { "Enter opens, Esc closes, Ctrl / lists all keys." }
            })}
        </p>
    }
}

#[component]
fn Keys() -> impl IntoView {
    let rows = KEYS.map(|(key, does)| {
        view! { <div><dt><kbd>{key}</kbd></dt><dd>{does}</dd></div> }
    });
    view! {
        <h2 class="palette-title">"Keys"</h2>
        <dl class="palette-keys">{rows.into_iter().collect_view()}</dl>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn words_find_places() {
        let entries: Vec<_> = places().into_iter().chain(of_presets(&presets())).collect();
        let found = |text: &str| {
            let fits = entries.iter().filter(|entry| entry.fits(text));
            fits.map(|entry| entry.href.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(found("watch"), ["/watch"]);
        assert_eq!(found("new st"), ["/studies/new"]);
        assert!(found("PRESET quick").contains(&"/studies/new?preset=quick-look"));
        assert!(found("no such thing").is_empty());
        assert_eq!(found("").len(), entries.len());
    }
}
