//! The table of the selected runs: any column, any order.

use std::collections::BTreeSet;

use leptos::prelude::*;
use shared::{
    Ratio, RunKind,
    api::{ColumnKind, Measured, Page, Problem, ResultColumn, ResultRow},
};

use super::{
    Explorer,
    baseline::{NOTE, Pin, against, pinned},
    view::{LIMIT, View, shown_columns},
};
use crate::{
    api,
    base::to,
    components::{Fetched, Pager, ProblemBox, SortHead, StateBadge, fetched_every, format},
    pages::study::ShareCell,
    run_name::value,
};

/// Time between two polls while something runs, in milliseconds.
const PERIOD: u32 = 4000;

/// A column as the table shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub name: String,
    /// Short; with the unit of a metric.
    pub head: String,
    /// In full.
    pub title: String,
    pub number: bool,
    pub kind: ColumnKind,
}

impl Shown {
    /// A column of the results.
    pub fn of(column: &ResultColumn) -> Self {
        let head = match column.name.as_str() {
            "ca" | "asr" | "ra" => column.name.to_uppercase(),
            _ => column.title.clone(),
        };
        Self {
            // The units of settings would make their heads long.
            head: if column.kind == ColumnKind::Metric && !column.unit.is_empty() {
                format!("{head} {}", column.unit)
            } else {
                head
            },
            title: [column.title.as_str(), &column.unit, &column.name].join(" · "),
            number: column.number,
            kind: column.kind,
            name: column.name.clone(),
        }
    }
}

/// The table's columns.
pub fn shown(explorer: Explorer) -> Memo<Vec<Shown>> {
    Memo::new(move |_| {
        explorer.view.with(|view| {
            explorer.columns.with(|columns| {
                let names = shown_columns(view, columns);
                let find = |name: &String| columns.iter().find(|column| column.name == *name);
                names.iter().filter_map(find).map(Shown::of).collect()
            })
        })
    })
}

/// What the runs are sorted by: the newest first, unless the address says otherwise.
pub fn sorted_by(view: &View) -> &str {
    if view.sort.is_empty() { "-created" } else { &view.sort }
}

fn address(view: &View) -> String {
    let sort = sorted_by(view);
    let query = api::query(&[
        ("filter", &view.filter),
        ("sort", sort),
        ("offset", &view.offset.to_string()),
        ("limit", &LIMIT.to_string()),
    ]);
    format!("/results{query}")
}

/// The table.
#[component]
pub fn Runs(explorer: Explorer) -> impl IntoView {
    let view = explorer.view;
    let columns = shown(explorer);
    let path = Memo::new(move |_| view.with(address));
    let page: Fetched<Page<ResultRow>> = fetched_every(
        move || Some(path.get()),
        PERIOD,
        |page: &Page<ResultRow>| page.items.iter().any(|run| !run.state.is_over()),
    );
    let total = Memo::new(move |_| page.value().map_or(0, |page| page.total));
    let pinned = pinned(explorer);
    let wide = move || (columns.with(Vec::len) + 1).to_string();
    let rows = move || match page.get() {
        Some(Ok(page)) if !page.items.is_empty() => {
            let (columns, pinned) = (columns.get(), pinned.get());
            let first = pinned.as_ref().map(|run| run.run);
            pinned
                .clone()
                .into_iter()
                .chain(page.items.into_iter().filter(|run| Some(run.run) != first))
                .map(|run| {
                    let pinned = pinned.clone();
                    view! { <Line explorer run columns=columns.clone() pinned/> }
                })
                .collect_view()
                .into_any()
        }
        other => {
            let retry = Callback::new(move |()| page.refetch());
            no_rows(other.and_then(Result::err), page.get().is_none(), wide(), retry)
        }
    };
    view! {
        <div class="table-box">
            <table class="table table-cards runs" id="runs">
                <caption class="visually-hidden">"Runs; press a column's head to sort"</caption>
                <thead>
                    <tr>
                        <th scope="col"><span class="visually-hidden">"Chosen, pinned"</span></th>
                        {move || {
                            columns
                                .get()
                                .into_iter()
                                .map(|column| view! { <Head explorer column/> })
                                .collect_view()
                        }}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <Show when=move || pinned.with(Option::is_some)>
            <p class="muted small">{NOTE}</p>
        </Show>
        <Pager
            offset=Signal::derive(move || view.with(|view| view.offset))
            limit=LIMIT
            total
            go=Callback::new(move |offset: u64| explorer.change(|view| view.offset = offset))
        />
    }
}

/// The row that stands for no rows: while they load, for a problem, for a filter that selects none.
pub fn no_rows(
    problem: Option<Problem>,
    loading: bool,
    wide: String,
    retry: Callback<()>,
) -> AnyView {
    let line = |class: &'static str, text: &'static str| {
        view! { <td colspan=wide.clone() class=class>{text}</td> }.into_any()
    };
    let cell = match problem {
        None if loading => line("loading", "Loading…"),
        None => line("empty-line", "No run satisfies this filter."),
        Some(problem) if problem.errors.iter().any(|error| error.field == "filter") => {
            line("empty-line", "The filter above cannot be read.")
        }
        Some(problem) => view! { <td colspan=wide><ProblemBox problem retry/></td> }.into_any(),
    };
    view! { <tr>{cell}</tr> }.into_any()
}

/// The head of a column, which sorts.
#[component]
pub fn Head(explorer: Explorer, column: Shown) -> impl IntoView {
    let Shown { name, head, title, number, .. } = column;
    let sort = Memo::new(move |_| explorer.view.with(|view| view.sort.clone()));
    let chosen = Callback::new(move |name: String| {
        explorer.change(|view| view.sort_by(&name, number));
    });
    view! { <SortHead name head title number sort chosen/> }
}

#[component]
fn Line(
    explorer: Explorer,
    run: ResultRow,
    columns: Vec<Shown>,
    /// The run with which it is compared.
    pinned: Option<ResultRow>,
) -> impl IntoView {
    let id = run.run.to_string();
    let study = run.studies.first().map(|study| study.id);
    let name = run.studies.first().map(|study| study.name.clone()).unwrap_or_default();
    let href = study.map(|study| to(format!("/studies/{study}?run={id}")));
    let label = format!("Choose the run {id} of {name}");
    let is_pinned = pinned.as_ref().is_some_and(|pinned| pinned.run == run.run);
    let pinned = pinned.filter(|_| !is_pinned);
    let pin = id.clone();
    let known = id.clone();
    let on = Memo::new(move |_| explorer.view.with(|view| view.runs.contains(&known)));
    let toggle = move |_| explorer.change(|view| view.toggle_run(&id));
    let linked = columns.iter().any(|column| column.name == "study");
    let cells = columns
        .into_iter()
        .enumerate()
        .map(|(at, column)| {
            // Without the study's name, the first cell leads to the run.
            let here = column.name == "study" || (!linked && at == 0);
            let told = pinned.as_ref().filter(|_| column.kind == ColumnKind::Metric);
            let told = told.and_then(|pinned| against(&run, pinned, &column.name));
            cell(&run, &column, href.clone().filter(|_| here), told)
        })
        .collect_view();
    view! {
        <tr class:pinned=is_pinned aria-current=move || on.get().then_some("true")>
            <td class="choose">
                <input type="checkbox" aria-label=label prop:checked=on on:change=toggle/>
                <Pin explorer label=format!("Compare all others with the run {pin} of {name}") id=pin/>
            </td>
            {cells}
        </tr>
    }
}

/// A cell, with a link to the run, or with the difference from the pinned one below it.
fn cell(
    run: &ResultRow,
    column: &Shown,
    href: Option<String>,
    difference: Option<String>,
) -> AnyView {
    let head = column.head.clone();
    if let Some(href) = href {
        let text = told(run, &column.name);
        return view! { <th scope="row" data-label=head><a href=href>{text}</a></th> }.into_any();
    }
    match column.kind {
        ColumnKind::Metric => match run.metrics.get(&column.name) {
            Some(Measured::Ratio(ratio)) => share(*ratio, &column.name, head, difference),
            Some(Measured::Real(number)) => view! {
                <td class="number" data-label=head>
                    {format::number(*number)}
                    {difference.map(|text| view! { <span class="sub">{text}</span> })}
                </td>
            }
            .into_any(),
            None => view! { <td class="number muted" data-label=head>"–"</td> }.into_any(),
        },
        ColumnKind::Run if column.name == "state" => {
            view! { <td data-label=head><StateBadge state=run.state/></td> }.into_any()
        }
        _ => {
            let text = told(run, &column.name);
            let none = text.is_empty();
            let text = if none { "–".to_owned() } else { text };
            view! { <td class:number=column.number class:muted=none data-label=head>{text}</td> }
                .into_any()
        }
    }
}

fn share(ratio: Ratio, name: &str, label: String, difference: Option<String>) -> AnyView {
    let colour = match name {
        "ca" | "top5" => "clean",
        "asr" => "triggered",
        _ => "",
    };
    view! { <ShareCell ratio=Some(ratio) colour label difference/> }.into_any()
}

/// What a run has in a column that is no metric, as text; empty if nothing.
pub fn told(run: &ResultRow, column: &str) -> String {
    let day = shared::day::day;
    match column {
        "study" => {
            // A run of several studies of one name has that name.
            let mut seen = BTreeSet::new();
            let names = run.studies.iter().map(|study| study.name.as_str());
            names.filter(|&name| seen.insert(name)).collect::<Vec<_>>().join(", ")
        }
        "kind" => kind_title(&run.kind),
        "state" => run.state.to_string(),
        "run" => run.run.to_string(),
        "digest" => format::short_hash(run.digest.as_str()),
        "created" => day(run.created_at),
        "ended" => run.ended_at.map(day).unwrap_or_default(),
        path => run.settings.get(path).map(|its| value(path, its)).unwrap_or_default(),
    }
}

/// The title of a kind of run.
pub fn kind_title(kind: &str) -> String {
    kind.parse::<RunKind>().map_or_else(|_| kind.to_owned(), |kind| kind.title().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first() {
        assert_eq!(address(&View::default()), "/results?sort=-created&offset=0&limit=50");
        let view =
            View { filter: "asr > 5".into(), sort: "asr".into(), offset: 50, ..View::default() };
        assert_eq!(address(&view), "/results?filter=asr%20%3E%205&sort=asr&offset=50&limit=50");
    }
}
