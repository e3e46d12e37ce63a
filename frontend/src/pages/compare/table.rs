//! The runs' table: order, paging, and the choice of runs for the figure.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    RunKind, RunState,
    api::{Page, RunRow, StudySummary},
};

use super::{
    filters::Filters,
    query::{COLUMNS, Column, LIMIT, TableQuery, clicked, listed, toggled},
};
use crate::{
    components::{Fetched, Glyph, Icon, Pager, ProblemBox, StateBadge, fetched_every, format},
    pages::study::{ShareCell, ppr_text},
    run_name::varied_text,
};

/// Time between two polls while something runs, in milliseconds.
const PERIOD: u32 = 4000;

/// Changes of the table add no entries to the browser's history.
pub fn here() -> NavigateOptions {
    NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() }
}

/// The table with its filters.
#[component]
pub fn Runs(
    /// All studies, for the filter.
    studies: Memo<Vec<StudySummary>>,
    /// The runs of the figure, separated by commas.
    chosen: Memo<Option<String>>,
    /// Called with the new runs.
    choose: Callback<Option<String>>,
) -> impl IntoView {
    let (study, _) = query_signal_with_options::<String>("study", here());
    let (kind, _) = query_signal_with_options::<String>("kind", here());
    let (state, _) = query_signal_with_options::<String>("state", here());
    let (trigger, _) = query_signal_with_options::<String>("trigger", here());
    let (search, _) = query_signal_with_options::<String>("search", here());
    let (sort, set_sort) = query_signal_with_options::<String>("sort", here());
    let (descending, set_descending) = query_signal_with_options::<bool>("descending", here());
    let (offset, set_offset) = query_signal_with_options::<u64>("offset", here());
    let query = Memo::new(move |_| TableQuery {
        study: study.get().unwrap_or_default(),
        kind: kind.get().unwrap_or_default(),
        state: state.get().unwrap_or_default(),
        trigger: trigger.get().unwrap_or_default(),
        search: search.get().unwrap_or_default(),
        sort: sort.get().unwrap_or_default(),
        descending: descending.get().unwrap_or(false),
        offset: offset.get().unwrap_or(0),
    });
    let page: Fetched<Page<RunRow>> = fetched_every(
        move || Some(query.with(TableQuery::path)),
        PERIOD,
        |page: &Page<RunRow>| page.items.iter().any(|run| !run.state.is_over()),
    );
    let sorted = Callback::new(move |column: Column| {
        let now = query.get_untracked();
        let (key, down) = clicked(&now.sort, now.descending, column);
        set_offset.set(None);
        set_descending.set(down.then_some(true));
        set_sort.set(key);
    });
    let total = Memo::new(move |_| page.value().map_or(0, |page| page.total));
    let rows = move || match page.get() {
        None => {
            view! { <tr><td colspan="10" class="loading">"Loading the runs…"</td></tr> }.into_any()
        }
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| page.refetch());
            view! { <tr><td colspan="10"><ProblemBox problem retry/></td></tr> }.into_any()
        }
        Some(Ok(page)) if page.items.is_empty() => {
            let text = if query.with(TableQuery::filters) {
                "No runs match these filters."
            } else {
                "No runs yet. Start a study, and its runs appear here."
            };
            view! { <tr><td colspan="10" class="empty-line">{text}</td></tr> }.into_any()
        }
        Some(Ok(page)) => page
            .items
            .into_iter()
            .map(|run| view! { <Line run chosen choose/> })
            .collect_view()
            .into_any(),
    };
    view! {
        <Filters studies/>
        <div class="table-box">
            <table class="table table-cards runs" id="runs">
                <caption class="visually-hidden">"Runs; press a column header to sort"</caption>
                <thead>
                    <tr>
                        <th scope="col"><span class="visually-hidden">"In the figure"</span></th>
                        {COLUMNS.map(|column| view! { <Header column query sorted/> }).collect_view()}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="muted small">{move || format::things(total.get(), "run", "runs")}</p>
        <Pager
            offset=Signal::derive(move || offset.get().unwrap_or(0))
            limit=LIMIT
            total
            go=Callback::new(move |offset: u64| set_offset.set((offset > 0).then_some(offset)))
        />
    }
}

#[component]
fn Header(column: Column, query: Memo<TableQuery>, sorted: Callback<Column>) -> impl IntoView {
    let order = move || query.with(|query| (query.sort == column.key).then_some(query.descending));
    let aria = move || match order() {
        None => "none",
        Some(true) => "descending",
        Some(false) => "ascending",
    };
    let arrow = move || {
        order().map(|descending| {
            let glyph = if descending { Glyph::ArrowDown } else { Glyph::ArrowUp };
            view! { <Icon glyph/> }
        })
    };
    view! {
        <th scope="col" class:number=column.number aria-sort=aria>
            <button
                type="button"
                class="sort"
                title=column.title
                data-sort=column.key
                on:click=move |_| sorted.run(column)
            >
                {column.name}
                {arrow}
            </button>
        </th>
    }
}

#[component]
fn Line(
    run: RunRow,
    chosen: Memo<Option<String>>,
    choose: Callback<Option<String>>,
) -> impl IntoView {
    let id = run.id.to_string();
    let href = format!("/studies/{}?run={id}", run.study);
    let label = format!("Show in the figure: {}, {}", run.study_name, run.label());
    let is_result = run.metrics.is_some() && run.state == RunState::Done;
    let known = id.clone();
    let on = move || chosen.with(|chosen| listed(chosen.as_deref()).contains(&known));
    let toggle = move |_| choose.run(toggled(chosen.get_untracked().as_deref(), &id));
    let metrics = run.metrics;
    let varied = varied_text(&run.varied);
    view! {
        <tr>
            <td>
                <input
                    type="checkbox"
                    aria-label=label
                    disabled=!is_result
                    prop:checked=on
                    on:change=toggle
                />
            </td>
            <th scope="row">
                <a href=href>{run.study_name}</a>
                <span class="muted small">{run.trigger}</span>
                {(!varied.is_empty()).then(|| view! { <span class="muted small">{varied}</span> })}
            </th>
            <td class="run-kind" data-label="Kind">{run.point.title()}</td>
            <td class="number" data-label="PPR">{ppr_text(run.point)}</td>
            <td class="number" data-label="LPR, FPR">
                {if run.point.kind == RunKind::Pretrain { "–".to_owned() } else { run.point.lpr.to_string() }}
            </td>
            <td class="number" data-label="Seed">{run.point.seed}</td>
            <ShareCell ratio=metrics.map(|metrics| metrics.ca) colour="clean" label="CA"/>
            <ShareCell ratio=metrics.map(|metrics| metrics.asr) colour="triggered" label="ASR"/>
            <ShareCell ratio=metrics.map(|metrics| metrics.ra) colour="" label="RA"/>
            <td data-label="State"><StateBadge state=run.state/></td>
        </tr>
    }
}
