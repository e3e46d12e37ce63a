//! Which studies the page shows, and in which order. It is in the address.

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};

use crate::{
    api,
    base::to,
    components::{FieldMessage, Glyph, Icon, Segmented},
};

/// Studies per page of the list.
pub const LIMIT: u64 = 25;

/// A part of the address, and how it is changed.
type Part<T> = (Memo<Option<T>>, SignalSetter<Option<T>>);

/// Which studies, in which order.
#[derive(Clone, Copy)]
pub struct Choice {
    /// Number of studies to skip.
    pub offset: Memo<u64>,
    skipped: Part<u64>,
    search: Part<String>,
    filter: Part<String>,
    show: Part<String>,
    sort: Part<String>,
}

impl Choice {
    /// That of the address.
    pub fn new() -> Self {
        let here =
            || NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        let text = |name| query_signal_with_options::<String>(name, here());
        let skipped = query_signal_with_options::<u64>("offset", here());
        Self {
            offset: Memo::new(move |_| skipped.0.get().unwrap_or(0)),
            skipped,
            search: text("search"),
            filter: text("filter"),
            show: text("show"),
            sort: text("sort"),
        }
    }

    /// The path of the list.
    pub fn path(self) -> String {
        let (offset, limit) = (self.offset.get().to_string(), LIMIT.to_string());
        let [search, filter, show, sort] = [self.search, self.filter, self.show, self.sort]
            .map(|(part, _)| part.get().unwrap_or_default());
        let shown = |which| if show == which { "true" } else { "" };
        let query = [
            ("search", search.as_str()),
            ("starred", shown("starred")),
            ("archived", shown("archived")),
            ("filter", &filter),
            ("sort", &sort),
            ("offset", &offset),
            ("limit", &limit),
        ];
        format!("/studies{}", api::query(&query))
    }

    /// Whether some studies are left out.
    pub fn narrows(self) -> bool {
        let parts = [self.search, self.filter, self.show];
        parts.into_iter().any(|(part, _)| part.get().is_some_and(|text| !text.is_empty()))
    }

    /// What the studies are sorted by; empty for the newest first.
    pub fn sort(self) -> String {
        self.sort.0.get().unwrap_or_default()
    }

    /// Sorts, from the first page on.
    pub fn sort_by(self, sort: String) {
        self.set(self.sort, sort);
    }

    /// Skips this many studies.
    pub fn turn_to(self, offset: u64) {
        self.skipped.1.set((offset > 0).then_some(offset));
    }

    fn set(self, part: Part<String>, text: String) {
        self.turn_to(0);
        part.1.set((!text.is_empty()).then_some(text));
    }
}

/// The choices beside the page's title, and the way to a new study.
#[component]
pub fn Which(choice: Choice) -> impl IntoView {
    let shown = move || {
        let show = choice.show.0.get().unwrap_or_default();
        Some(["starred", "archived"].into_iter().find(|known| *known == show).unwrap_or(""))
    };
    view! {
        <div class="page-actions">
            <Segmented
                label="Which studies"
                choices=vec![("", "All".to_owned()), ("starred", "Starred".to_owned()), ("archived", "Archived".to_owned())]
                value=Signal::derive(shown)
                choose=Callback::new(move |which: &'static str| choice.set(choice.show, which.to_owned()))
            />
            <label class="search">
                <span class="visually-hidden">"Search names and tags"</span>
                <Icon glyph=Glyph::Search/>
                <input
                    type="search"
                    id="search"
                    placeholder="Search names and tags"
                    prop:value=move || choice.search.0.get().unwrap_or_default()
                    on:input=move |event: ev::Event| choice.set(choice.search, event_target_value(&event))
                />
            </label>
            <a class="button button-main" href=to("/studies/new") id="new-study">
                <Icon glyph=Glyph::Plus/>
                "New study"
            </a>
        </div>
    }
}

/// The expression that some run of a study satisfies.
#[component]
pub fn Filter(
    choice: Choice,
    /// Why the server cannot read it.
    wrong: Memo<Option<String>>,
) -> impl IntoView {
    let entered = move |event: ev::Event| {
        choice.set(choice.filter, event_target_value(&event).trim().to_owned());
    };
    view! {
        <div class="study-filter">
            <label for="filter">"With a run where"</label>
            <input
                type="text"
                id="filter"
                spellcheck="false"
                autocomplete="off"
                placeholder="asr > 90 && ca > 40 && probe.poisons <= 3"
                aria-invalid=move || wrong.with(Option::is_some).to_string()
                aria-describedby="filter-error"
                prop:value=move || choice.filter.0.get().unwrap_or_default()
                on:change=entered
            />
            <FieldMessage id="filter-error".to_owned() message=wrong/>
        </div>
    }
}
