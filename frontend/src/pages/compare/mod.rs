//! The page that compares runs: a table of all, and a figure of the finished ones.
//!
//! Address: `?figure=&published=&studies=&runs=` say what the figure shows; `?study=&phase=&state=&trigger=&search=` filter
//! the table, `?sort=&descending=&offset=` order and page it; `?means=true` shows means over the seeds instead.

mod figure;
mod filters;
mod means;
mod query;
mod table;

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::api::{Page, StudySummary};

use crate::{
    components::{Fetched, Glyph, Icon, Segmented, fetched},
    frame::{Crumb, set_place},
};

/// The page.
#[component]
pub fn ComparePage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Compare")]);
    let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (runs, set_runs) = query_signal_with_options::<String>("runs", options);
    let (means, set_means) = query_signal_with_options::<bool>("means", table::here());
    let (of_studies, _) = query_signal_with_options::<String>("studies", table::here());
    let means = Memo::new(move |_| means.get().unwrap_or(false));
    let choose = Callback::new(move |runs: Option<String>| set_runs.set(runs));
    let answer: Fetched<Page<StudySummary>> = fetched(|| Some("/studies?limit=200".into()));
    let studies = Memo::new(move |_| answer.value().map(|page| page.items).unwrap_or_default());
    let none = Memo::new(move |_| answer.value().is_some_and(|page| page.total == 0));
    view! {
        <header class="page-head">
            <div>
                <h1>"Compare"</h1>
                <p>"How well each attack succeeds, and what it costs on clean images."</p>
            </div>
        </header>
        <Show
            when=move || !none.get()
            fallback=|| {
                view! {
                    <section class="empty">
                        <Icon glyph=Glyph::Compare/>
                        <h2>"Nothing to compare yet"</h2>
                        <p>"Each finished linear probe becomes a row here and a point in the figures."</p>
                        <p><a class="button button-main" href="/studies/new">"New study"</a></p>
                    </section>
                }
            }
        >
            <div class="compare">
                <div class="compare-table">
                    <Segmented
                        label="Rows of the table"
                        choices=vec![(false, "Each run".to_owned()), (true, "Means over seeds".to_owned())]
                        value=Signal::derive(move || Some(means.get()))
                        choose=Callback::new(move |on: bool| set_means.set(on.then_some(true)))
                    />
                    <Show
                        when=move || means.get()
                        fallback=move || view! { <table::Runs studies chosen=runs choose/> }
                    >
                        <means::Means studies=of_studies/>
                    </Show>
                </div>
                <figure::CompareFigure studies runs choose_runs=choose/>
            </div>
        </Show>
    }
}
