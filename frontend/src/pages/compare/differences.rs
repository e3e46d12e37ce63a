//! The chosen runs side by side: only what differs.

use leptos::prelude::*;
use shared::{
    Ratio,
    api::{Measured, Page, ResultRow},
};

use super::{
    Explorer,
    baseline::against,
    figure::chosen,
    table::{kind_title, told},
};
use crate::{
    api,
    base::to,
    components::{Fetched, ProblemBox, fetched, format},
    run_name::label,
};

/// Most runs beside each other.
const MOST: usize = 8;

/// What differs, with the text of each run; a dash where a run has no such setting.
fn rows(runs: &[ResultRow]) -> Vec<(String, Vec<String>)> {
    let mut names: Vec<&str> =
        runs.iter().flat_map(|run| run.settings.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let line = |name: &str| -> Option<Vec<String>> {
        let texts: Vec<String> = runs.iter().map(|run| told(run, name)).collect();
        let differ = texts.iter().any(|text| *text != texts[0]);
        let dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
        differ.then(|| texts.into_iter().map(dash).collect())
    };
    let of_run = [("study", "Study"), ("kind", "Kind")].into_iter();
    let settings = names.into_iter().map(|name| (name, ""));
    of_run
        .chain(settings)
        .filter_map(|(name, title)| {
            let title = if title.is_empty() { label(name) } else { title.to_owned() };
            Some((title, line(name)?))
        })
        .collect()
}

fn ratio(run: &ResultRow, metric: &str) -> Option<Ratio> {
    match run.metrics.get(metric) {
        Some(Measured::Ratio(ratio)) => Some(*ratio),
        _ => None,
    }
}

/// A share, and for all but the first run the difference from it with its p.
fn share(runs: &[ResultRow], at: usize, metric: &str) -> (String, Option<String>) {
    let Some(here) = ratio(&runs[at], metric) else { return ("–".into(), None) };
    let text = format!("{} {}", format::percent(here), format::interval(here));
    let told = if at > 0 { against(&runs[at], &runs[0], metric) } else { None };
    (text, told)
}

/// The panel; nothing unless runs are chosen.
#[component]
pub fn Differences(explorer: Explorer) -> impl IntoView {
    let runs = Memo::new(move |_| explorer.view.with(|view| view.runs.clone()));
    let answer: Fetched<Page<ResultRow>> = fetched(move || {
        let runs = runs.get();
        let first = &runs[..runs.len().min(MOST)];
        (!runs.is_empty()).then(|| format!("/results{}", api::query(&[("filter", &chosen(first))])))
    });
    let table = move || {
        let page = answer.value()?;
        // In the order in which they were chosen: the first is what the others are compared with.
        let order = runs.get();
        let mut found: Vec<ResultRow> = page.items;
        found.retain(|run| order.contains(&run.run.to_string()));
        found.sort_by_key(|run| order.iter().position(|id| *id == run.run.to_string()));
        (!found.is_empty()).then(|| view! { <Side explorer runs=found/> })
    };
    let words = move || {
        let count = runs.with(Vec::len);
        let told = format!("{} chosen", format::things(count as u64, "run", "runs"));
        match count {
            1 => format!("{told}: choose another one to see what differs."),
            _ if count > MOST => format!("{told}; the first {MOST} side by side."),
            _ => format!("{told}: what differs."),
        }
    };
    view! {
        <Show when=move || runs.with(|runs| !runs.is_empty())>
            <section class="panel differences" aria-labelledby="differences">
                <div class="panel-head">
                    <h2 id="differences">{words}</h2>
                    <div class="panel-actions">
                        <button
                            type="button"
                            class="button button-small"
                            on:click=move |_| {
                                explorer
                                    .change(|view| {
                                        view.filter = chosen(&view.runs);
                                        view.offset = 0;
                                    });
                            }
                        >
                            "Keep only these"
                        </button>
                        <button
                            type="button"
                            class="button button-quiet button-small"
                            on:click=move |_| explorer.change(|view| view.runs.clear())
                        >
                            "Choose none"
                        </button>
                    </div>
                </div>
                {move || answer.problem().map(|problem| view! { <ProblemBox problem/> })}
                {table}
            </section>
        </Show>
    }
}

#[component]
fn Side(explorer: Explorer, runs: Vec<ResultRow>) -> impl IntoView {
    let heads = runs
        .iter()
        .map(|run| {
            let id = run.run.to_string();
            let study = run.studies.first();
            let href = study.map(|study| to(format!("/studies/{}?run={id}", study.id)));
            let name = study.map(|study| study.name.clone()).unwrap_or_default();
            view! {
                <th scope="col">
                    <a href=href>{name}</a>
                    <span class="sub">{kind_title(&run.kind)}</span>
                    <button
                        type="button"
                        class="link small"
                        on:click=move |_| explorer.change(|view| view.toggle_run(&id))
                    >
                        "Remove"
                    </button>
                </th>
            }
        })
        .collect_view();
    let metrics =
        [("ca", "Clean accuracy %", "clean"), ("asr", "Attack success rate %", "triggered")].map(
            |(metric, title, colour)| {
                let cells = (0..runs.len())
                    .map(|at| {
                        let (text, told) = share(&runs, at, metric);
                        view! {
                            <td>
                                <strong class=colour>{text}</strong>
                                {told.map(|told| view! { <span class="sub">{told}</span> })}
                            </td>
                        }
                    })
                    .collect_view();
                view! { <tr><th scope="row">{title}</th>{cells}</tr> }
            },
        );
    let lines = if runs.len() > 1 { rows(&runs) } else { Vec::new() };
    let same = runs.len() > 1 && lines.is_empty();
    let lines = lines
        .into_iter()
        .map(|(title, texts)| {
            let cells = texts.into_iter().map(|text| view! { <td>{text}</td> }).collect_view();
            view! { <tr><th scope="row">{title}</th>{cells}</tr> }
        })
        .collect_view();
    view! {
        <div class="table-box table-plain">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col"><span class="visually-hidden">"Setting"</span></th>
                        {heads}
                    </tr>
                </thead>
                <tbody>
                    {metrics.into_iter().collect_view()}
                    {lines}
                </tbody>
            </table>
        </div>
        {same.then(|| view! { <p class="panel-body muted small">"They agree in all settings."</p> })}
        {(runs.len() > 1)
            .then(|| {
                view! {
                    <p class="panel-body muted small">
                        "Differences from the first run in percentage points; two-sided z test of two proportions."
                    </p>
                }
            })}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::{Digest, RunId, RunState, param::Value};

    use super::*;

    fn run(at: u64, settings: &[(&str, Value)], asr: u32) -> ResultRow {
        let asr = Measured::Ratio(Ratio { hits: asr, total: 1000 });
        ResultRow {
            run: RunId::from_parts(at, [1; 10]),
            kind: "probe".into(),
            digest: Digest::stored("d"),
            state: RunState::Done,
            studies: vec![],
            created_at: 0,
            ended_at: None,
            settings: settings
                .iter()
                .map(|(path, value)| ((*path).into(), value.clone()))
                .collect(),
            metrics: BTreeMap::from([("asr".to_owned(), asr)]),
        }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let a = run(1, &[("seed", 1.0.into()), ("probe.poisons", 0.0.into())], 100);
        let b = run(
            2,
            &[("seed", 1.0.into()), ("probe.poisons", 10.0.into()), ("probe.epochs", 5.0.into())],
            300,
        );
        let lines = rows(&[a.clone(), b.clone()]);
        let titles: Vec<_> = lines.iter().map(|(title, _)| title.as_str()).collect();
        assert_eq!(titles, ["Linear probe, epochs", &label("probe.poisons")]);
        assert_eq!(lines[0].1, ["–", "5"]);
        let runs = [a, b];
        assert_eq!(share(&runs, 0, "asr").1, None);
        assert_eq!(share(&runs, 1, "asr").1.as_deref(), Some("+20.0, p < .001"));
        assert_eq!(share(&runs, 1, "ca"), ("–".into(), None));
    }
}
