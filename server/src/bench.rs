//! `maskdoor bench store`: how fast the lists are when much has been done.

use std::{fs, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use shared::{
    Phase, RunId, RunState, StudyId,
    study::{GridSpec, presets},
    trigger::{BlendedSpec, TriggerSpec},
};

use crate::{
    app::App,
    clock::Clock,
    ids::IdSource,
    store::{
        Store, StoreError,
        runs::{RunFilter, RunQuery, RunSort},
        studies::{NewRun, NewStudy, StudyQuery},
    },
    terminal::{Align, Bars, say, table},
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

/// Fills a data folder and times each list and compare query.
///
/// # Errors
/// When the folder is not empty or cannot be written, or a query fails.
pub async fn run(
    runs: u32,
    points: u32,
    json: PathBuf,
    data_dir: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    ensure!(runs > 0 && points > 1, "there is nothing to time with {runs} runs of {points} events");
    let (root, temporary) = match data_dir {
        Some(root) => (root, false),
        None => (std::env::temp_dir().join(format!("maskdoor-bench-{}", std::process::id())), true),
    };
    let app = App::open(&root, Clock::system(), IdSource::system(Clock::system())).await?;
    let measured = fill_and_measure(&app.store, &root, runs, points).await;
    app.store.close().await;
    if temporary {
        fs::remove_dir_all(&root).with_context(|| format!("{} stays", root.display()))?;
    }
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
    Ok(ExitCode::SUCCESS)
}

async fn fill_and_measure(
    store: &Store,
    root: &std::path::Path,
    runs: u32,
    points: u32,
) -> anyhow::Result<Vec<Times>> {
    let there = store.list_studies(&StudyQuery { limit: 1, ..StudyQuery::default() }).await?.total;
    ensure!(there == 0, "{} holds {there} studies; give an empty folder", root.display());
    let studies = made_up_studies(runs);
    let bars = Bars::default();
    let bar = bars.add("filling".into(), u64::from(runs));
    let began = Instant::now();
    store.fill(&studies, points, |done| bar.set_position(done)).await?;
    bars.clear();
    say(format_args!(
        "{runs} runs of {} studies with {points} events each, made in {:.0} s",
        studies.len(),
        began.elapsed().as_secs_f64()
    ));
    Ok(measure(store, &studies).await?)
}

/// Studies of the small CIFAR-10 grid with changing strength and seed, until there are `runs` runs.
fn made_up_studies(runs: u32) -> Vec<NewStudy> {
    let began = 1_760_000_000_000;
    let ids = IdSource::seeded(Clock::fixed(began), 1);
    let grid = GridSpec {
        ppr: vec![0, 10],
        lpr: vec![0, 1, 3, 10, 50],
        seeds: vec![1],
        fpr: Vec::new(),
        scratch: false,
    };
    let mut left = runs as usize;
    let mut studies = Vec::new();
    while left > 0 {
        let at = studies.len() as u64;
        let mut spec = presets()[at as usize % 2].spec.clone();
        spec.name = format!("{} {at}", spec.name);
        spec.attack.trigger = TriggerSpec::Blended(BlendedSpec {
            ratio: [0.2, 0.3, 0.4][at as usize % 3],
            key: "stripes".into(),
        });
        spec.grid = GridSpec { seeds: vec![at], ..grid.clone() };
        let mut encoder = None;
        let mut points = spec.grid.points();
        points.truncate(left);
        left -= points.len();
        let runs = points
            .into_iter()
            .map(|point| {
                let id = ids.run();
                let parent = if point.phase == Phase::Pretrain { None } else { encoder };
                if point.phase == Phase::Pretrain {
                    encoder = Some(id);
                }
                NewRun { id, point, parent }
            })
            .collect();
        let classes = (0..10).map(|class| format!("class {class}")).collect();
        studies.push(NewStudy {
            id: ids.study(),
            created_at: began + at * 60_000,
            spec,
            classes,
            runs,
        });
    }
    studies
}

async fn measure(store: &Store, studies: &[NewStudy]) -> Result<Vec<Times>, StoreError> {
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
        let query = StudyQuery { search, offset, limit: PAGE };
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
        ("phase", RunFilter { phase: Some(Phase::Probe), ..RunFilter::default() }),
        ("state", RunFilter { state: Some(RunState::Failed), ..RunFilter::default() }),
        ("data set", RunFilter { dataset: text("cifar10"), ..RunFilter::default() }),
        ("trigger", RunFilter { trigger: text("blended stripes 0.30"), ..RunFilter::default() }),
        ("search", RunFilter { search: text("quick 12"), ..RunFilter::default() }),
        (
            "phase, state and data set",
            RunFilter {
                phase: Some(Phase::Probe),
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

/// Times a query, the reading of its rows included, after one round that does not count.
async fn time<T>(
    name: &str,
    query: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<Times, StoreError> {
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
