//! Measures the speed of lists and results in a large data folder: fills one with generated runs and times every query.
//!
//! ```sh
//! cargo run --release -p server --example store -- RUNS EVENTS_OF_EACH TIMES.json [FOLDER]
//! ```
//!
//! With a folder, the data folder is made there and stays.

#[path = "store/fill.rs"]
mod fill;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use server::{
    app::App,
    app::results::ResultQuery,
    clock::Clock,
    ids::IdSource,
    store::{
        Store,
        runs::{RunFilter, RunQuery, RunSort},
        studies::{NewRun, NewStudy, StudyQuery},
    },
    terminal::{Align, Bars, say, table},
};
use shared::{
    RunId, RunKind, RunState, StudyId,
    study::{Axis, Content, Graph, presets},
};

/// How often each query is timed.
const ROUNDS: usize = 60;
/// Rows of a page, as the dashboard asks for them.
const PAGE: u32 = 100;

/// Times of one query.
#[derive(Clone, Debug, Serialize)]
struct Times {
    query: String,
    p50_ms: f64,
    p95_ms: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |what: &str| -> anyhow::Result<u32> {
        arguments.next().with_context(|| format!("say {what}"))?.parse().context("takes a number")
    };
    let (runs, points) = (number("how many runs")?, number("how many events each has")?);
    let json = arguments.next().map(PathBuf::from).context("say where the times go")?;
    ensure!(runs > 0 && points > 1, "there is nothing to time with {runs} runs of {points} events");
    let kept = arguments.next().map(PathBuf::from);
    let root = tempfile::tempdir()?;
    let app = App::open(
        kept.as_deref().unwrap_or(root.path()),
        engine::compute::Machine::with_threads(1),
        Clock::system(),
        IdSource::system(Clock::system()),
    )
    .await?;
    let measured = fill_and_measure(&app, runs, points).await;
    app.store.close().await;
    let times = measured?;
    let rows: Vec<_> = times
        .iter()
        .map(|one| {
            vec![one.query.clone(), format!("{:.2}", one.p50_ms), format!("{:.2}", one.p95_ms)]
        })
        .collect();
    let head = [("query", Align::Left), ("p50 ms", Align::Right), ("p95 ms", Align::Right)];
    say(table(&head, &rows));
    fs::write(&json, serde_json::to_string_pretty(&times)? + "\n")
        .with_context(|| format!("the times cannot be written to {}", json.display()))?;
    Ok(())
}

async fn fill_and_measure(app: &App, runs: u32, points: u32) -> anyhow::Result<Vec<Times>> {
    let studies = made_up_studies(runs)?;
    let bars = Bars::default();
    let bar = bars.add("filling".into(), u64::from(runs));
    let began = Instant::now();
    fill::fill(app, &studies, points, |done| bar.set_position(done)).await?;
    bars.clear();
    say(format_args!(
        "{runs} runs of {} studies with {points} events each, generated in {:.0} s",
        studies.len(),
        began.elapsed().as_secs_f64()
    ));
    let before = resident();
    let began = Instant::now();
    let all = app.store.result_table().await?;
    say(format_args!(
        "the table of {} runs read in {:.1} s; memory {} MB before, {} MB after",
        all.look().len(),
        began.elapsed().as_secs_f64(),
        before,
        resident()
    ));
    let mut times = measure(&app.store, &studies).await?;
    times.extend(measure_results(app).await?);
    fill::cancel_queued(app).await?;
    Ok(times)
}

/// Resident memory of this process in megabytes; 0 where the system does not report it.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4096 / 1_000_000
}

/// Studies over blend ratio, poisons, mask ratio and probe, each with another seed, with `runs` runs in total.
fn made_up_studies(runs: u32) -> anyhow::Result<Vec<NewStudy>> {
    let began = 1_760_000_000_000;
    let ids = IdSource::seeded(Clock::fixed(began), 1);
    let mut left = runs as usize;
    let mut studies = Vec::new();
    while left > 0 {
        let at = studies.len() as u64;
        let mut spec = presets()[at as usize % 2].spec.clone();
        spec.name = format!("{} {at}", spec.name);
        spec.runs = vec![RunKind::Probe];
        spec.settings.seed = at;
        spec.axes = vec![
            Axis::of("attack.trigger.ratio", [0.2, 0.4]),
            Axis::of("pretrain.poisons", [0u32, 10]),
            Axis::of("pretrain.mask_ratio", [0.6, 0.75]),
            Axis::of("probe.poisons", [0u32, 1, 3, 10, 50]),
        ];
        let graph = Graph::of(&spec, &Content::default())
            .map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let mut nodes = graph.nodes;
        nodes.truncate(left);
        left -= nodes.len();
        studies.push(NewStudy {
            id: ids.study(),
            created_at: began + at * 60_000,
            spec,
            classes: (0..10).map(|class| format!("class {class}")).collect(),
            runs: nodes.into_iter().map(|node| NewRun { id: ids.run(), node }).collect(),
            fresh: true,
        });
    }
    Ok(studies)
}

/// The table of results: filters, orders, groups.
async fn measure_results(app: &App) -> anyhow::Result<Vec<Times>> {
    const FILTER: &str =
        "kind == \"probe\" && attack.trigger.ratio > 0.3 && probe.poisons in [3, 10] && asr > 50";
    let mut times = Vec::new();
    for (name, filter, sort) in [
        ("results: first page", None, None),
        ("results: filter", Some(FILTER), None),
        ("results: by asr, down", None, Some("-asr")),
        ("results: filter, by mask ratio", Some(FILTER), Some("pretrain.mask_ratio")),
    ] {
        let query = ResultQuery {
            filter: filter.map(Into::into),
            sort: sort.map(Into::into).into_iter().collect(),
            offset: 0,
            limit: PAGE as usize,
        };
        times.push(time(name, async || app.list_results(query.clone()).await).await?);
    }
    let by = ["attack.trigger.ratio", "pretrain.poisons", "probe.poisons", "pretrain.mask_ratio"];
    let by: Vec<String> = by.map(Into::into).into();
    let of: Vec<String> = ["ca", "asr", "ra"].map(Into::into).into();
    let filter = Some("kind == \"probe\"".into());
    let probes = ResultQuery { filter, limit: PAGE as usize, ..ResultQuery::default() };
    let grouped = async || app.group_results(probes.clone(), by.clone(), of.clone()).await;
    times.push(time("results: group by four settings", grouped).await?);
    Ok(times)
}

async fn measure(store: &Store, studies: &[NewStudy]) -> anyhow::Result<Vec<Times>> {
    let middle = &studies[studies.len() / 2];
    let study = middle.id;
    let run = middle.runs.last().map_or_else(|| middle.runs[0].id, |run| run.id);
    let some: Vec<StudyId> = studies.iter().step_by(20).map(|study| study.id).collect();
    let classifiers: Vec<RunId> = store.compare(&[], 50).await?.iter().map(|row| row.id).collect();
    let newest = store.look_for_news().await?;
    let far = u64::from(runs_of(studies)) * 9 / 10;
    let kinds = ["epoch".to_owned(), "evaluated".to_owned()];

    let mut times = Vec::new();
    for (name, search, offset) in [
        ("studies: first page", None, 0),
        ("studies: last page", None, studies.len() as u64 * 9 / 10),
        ("studies: search", Some("quick 1".to_owned()), 0),
    ] {
        let query = StudyQuery { search, offset, limit: PAGE, ..StudyQuery::default() };
        times.push(time(name, async || store.list_studies(&query).await).await?);
    }
    times.push(time("study: detail", async || store.get_study(study).await).await?);
    for query in run_queries(study, far) {
        times.push(time(&query.0, async || store.list_runs(&query.1).await).await?);
    }
    times.push(time("runs: jobs", async || store.jobs(PAGE).await).await?);
    times.push(time("run: one", async || store.get_run(run).await).await?);
    times.push(time("run: events", async || store.run_events(run, 0, 2000, &[]).await).await?);
    times.push(
        time("run: events of a kind", async || store.run_events(run, 0, 2000, &kinds).await)
            .await?,
    );
    for (name, study) in
        [("events: newest of all", None), ("events: newest of a study", Some(study))]
    {
        let after = newest - 1000;
        times.push(time(name, async || store.events_after(after, study, 500).await).await?);
    }
    times.push(time("checkpoints: all", async || store.checkpoints(None, 500).await).await?);
    times.push(
        time("checkpoints: of a study", async || store.checkpoints(Some(study), 500).await).await?,
    );
    times.push(time("compare: all", async || store.compare(&[], 5000).await).await?);
    times.push(time("compare: some studies", async || store.compare(&some, 5000).await).await?);
    times.push(
        time("compare: accuracy by epoch", async || store.evaluations(&classifiers).await).await?,
    );
    Ok(times)
}

/// The runs' table in every order, both ways, and with each filter.
fn run_queries(study: StudyId, far: u64) -> Vec<(String, RunQuery)> {
    let page = RunQuery { limit: PAGE, ..RunQuery::default() };
    let mut queries = vec![("runs: far page".to_owned(), RunQuery { offset: far, ..page.clone() })];
    for sort in RunSort::ALL {
        for descending in [false, true] {
            let name =
                format!("runs: by {}{}", sort.as_str(), if descending { ", down" } else { "" });
            queries.push((name, RunQuery { sort, descending, ..page.clone() }));
        }
    }
    let text = |text: &str| Some(text.to_owned());
    for (name, filter) in [
        ("study", RunFilter { study: Some(study), ..RunFilter::default() }),
        ("kind", RunFilter { kind: Some(RunKind::Probe), ..RunFilter::default() }),
        ("state", RunFilter { state: Some(RunState::Failed), ..RunFilter::default() }),
        ("data set", RunFilter { dataset: text("cifar10"), ..RunFilter::default() }),
        ("trigger", RunFilter { trigger: text("blended stripes 0.30"), ..RunFilter::default() }),
        ("search", RunFilter { search: text("quick 12"), ..RunFilter::default() }),
        (
            "kind, state and data set",
            RunFilter {
                kind: Some(RunKind::Probe),
                state: Some(RunState::Done),
                dataset: text("cifar10"),
                ..RunFilter::default()
            },
        ),
    ] {
        let sorted = RunQuery { sort: RunSort::Asr, descending: true, filter, ..page.clone() };
        queries.push((format!("runs: of a {name}, by asr, down"), sorted));
    }
    queries
}

fn runs_of(studies: &[NewStudy]) -> u32 {
    studies.iter().map(|study| study.runs.len() as u32).sum()
}

/// Times a query, including reading its rows, after one warm-up.
async fn time<T, E: std::error::Error + Send + Sync + 'static>(
    name: &str,
    query: impl AsyncFn() -> Result<T, E>,
) -> anyhow::Result<Times> {
    query().await?;
    let mut taken = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        query().await?;
        taken.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    taken.sort_by(f64::total_cmp);
    let share = |share: f64| {
        (taken[((ROUNDS - 1) as f64 * share).round() as usize] * 1000.0).round() / 1000.0
    };
    Ok(Times { query: name.to_owned(), p50_ms: share(0.5), p95_ms: share(0.95) })
}
