//! The page that compares runs: one filter for a figure and a table of settings and metrics.
//!
//! Everything that it shows is in the address, as [`view::View`] reads it.

mod baseline;
mod columns;
mod condition;
mod controls;
mod defences;
mod differences;
mod downloads;
mod expression;
mod figure;
mod filter;
mod means;
mod pivot;
mod saved;
mod table;
mod view;

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};
use shared::api::{ResultColumn, ResultColumns};

use self::view::{Rows, View};
use crate::{
    api,
    base::to,
    components::{Fetched, Glyph, Icon, Segmented, fetched, format},
    frame::{Crumb, set_place},
};

/// What the page shows, and how it changes.
#[derive(Clone, Copy)]
struct Explorer {
    /// What the address says.
    view: Memo<View>,
    /// Writes the address.
    go: Callback<View>,
    /// The columns of the selected runs.
    columns: Memo<Vec<ResultColumn>>,
    /// The columns of all runs, which a filter may name.
    all: Memo<Vec<ResultColumn>>,
}

impl Explorer {
    /// Changes what the page shows.
    fn change(self, change: impl FnOnce(&mut View)) {
        let mut view = self.view.get_untracked();
        change(&mut view);
        self.go.run(view);
    }
}

/// The page.
#[component]
pub fn ComparePage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Compare")]);
    let address = use_query_map();
    let view = Memo::new(move |_| address.with(|map| View::read(|name| map.get(name))));
    let navigate = use_navigate();
    let go = Callback::new(move |view: View| {
        let options =
            NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        navigate(&to(format!("/compare{}", view.query())), options);
    });
    let filter = Memo::new(move |_| view.with(|view| view.filter.clone()));
    let everything: Fetched<ResultColumns> = fetched(|| Some("/results/columns".into()));
    let selected: Fetched<ResultColumns> = fetched(move || {
        let filter = filter.get();
        Some(format!("/results/columns{}", api::query(&[("filter", &filter)])))
    });
    let columns =
        Memo::new(move |_| selected.value().map(|answer| answer.columns).unwrap_or_default());
    let all =
        Memo::new(move |_| everything.value().map(|answer| answer.columns).unwrap_or_default());
    let explorer = Explorer { view, go, columns, all };
    let none = Memo::new(move |_| everything.value().is_some_and(|answer| answer.runs == 0));
    let rows = Memo::new(move |_| view.with(|view| view.rows));
    let told = move || {
        let (some, every) = (selected.value()?.runs, everything.value()?.runs);
        Some(if some == every {
            format::things(every, "run", "runs")
        } else {
            format!("{} of {}", format::count(some), format::things(every, "run", "runs"))
        })
    };
    view! {
        <header class="page-head">
            <div>
                <h1>"Compare"</h1>
                <p>"How well each attack succeeds, what it costs on clean images, and what that depends on."</p>
            </div>
        </header>
        <Show
            when=move || !none.get()
            fallback=|| {
                view! {
                    <section class="empty">
                        <Icon glyph=Glyph::Compare/>
                        <h2>"Nothing to compare yet"</h2>
                        <p>"Each run becomes a row here, and each finished one a mark in the figures."</p>
                        <p><a class="button button-main" href=to("/studies/new")>"New study"</a></p>
                    </section>
                }
            }
        >
            <filter::FilterPanel
                explorer
                problem=Signal::derive(move || selected.problem())
                told=Signal::derive(move || told().unwrap_or_default())
            />
            <div class="compare">
                <figure::FigurePanel explorer/>
                <section class="compare-table" aria-label="Table">
                    <div class="compare-bar">
                        <Segmented
                            label="Rows of the table"
                            choices=vec![
                                (Rows::Each, "Each run".to_owned()),
                                (Rows::Means, "Means over seeds".to_owned()),
                                (Rows::Pivot, "Pivot table".to_owned()),
                            ]
                            value=Signal::derive(move || Some(rows.get()))
                            choose=Callback::new(move |rows: Rows| {
                                explorer
                                    .change(|view| {
                                        view.rows = rows;
                                        view.offset = 0;
                                        view.sort.clear();
                                    });
                            })
                        />
                        <Show when=move || rows.get() != Rows::Pivot>
                            <downloads::TableFiles explorer/>
                            <columns::Chooser explorer/>
                        </Show>
                    </div>
                    <differences::Differences explorer/>
                    {move || match rows.get() {
                        Rows::Each => view! { <table::Runs explorer/> }.into_any(),
                        Rows::Means => view! { <means::Means explorer/> }.into_any(),
                        Rows::Pivot => view! { <pivot::PivotTable explorer/> }.into_any(),
                    }}
                </section>
            </div>
        </Show>
    }
}
