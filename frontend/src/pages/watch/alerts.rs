//! What needs attention: runs that ended with an error, runs whose worker is gone, runs that do not get on. Each with its last
//! lines and what to do.

use std::collections::BTreeMap;

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::{
    RunId, RunState,
    api::{Page, Problem, RunRow},
};

use crate::{
    api,
    base::to,
    components::{Fetched, Glyph, Icon, ProblemBox, fetched_every, message},
    kept,
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 5000;
/// Number of ended runs of each state that are looked at.
const LOOKED_AT: u32 = 20;
/// An older ending is history, in milliseconds.
const RECENT: u64 = 24 * 3600 * 1000;
/// Without an event for so long, in milliseconds, a run that trains does not get on.
const PATIENCE: u64 = 3 * 60 * 1000;
/// Lines of the log that are shown.
const LINES: u32 = 12;
/// Where the browser keeps the alerts that were put away.
const SEEN: &str = "maskdoor-seen-alerts";
/// Most of those that are kept; the oldest goes first.
const MOST_SEEN: usize = 500;

/// What is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alert {
    run: RunId,
    /// An alert that was put away comes back when the run ends again.
    key: String,
    href: String,
    name: String,
    what: String,
    advice: String,
    /// Whether the run can be queued again.
    again: bool,
}

/// What the page saw last of a running run: the number of its last event, and when it was new here, in milliseconds. The clock
/// of the server may differ from the browser's.
type Seen = BTreeMap<RunId, (u64, u64)>;

impl Alert {
    fn of(run: &RunRow, what: String, advice: &str) -> Self {
        Self {
            run: run.id,
            key: format!("{}-{}", run.id, run.ended_at.unwrap_or_default()),
            href: format!("/studies/{}?run={}", run.study, run.id),
            name: format!("{}: {}", run.study_name, run.label()),
            what,
            advice: advice.into(),
            again: run.state.may_become(RunState::Queued),
        }
    }
}

/// What to do about an error.
fn advice(error: &str) -> &'static str {
    let error = error.to_lowercase();
    let holds = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if holds(&["loss"]) {
        "Lower the learning rate or lengthen the warm-up in a copy of the study. The curve shows where the loss rose."
    } else if holds(&["out of memory", "memory"]) {
        "Make the batch smaller, or accumulate gradients over several batches."
    } else if holds(&["no space", "disk", "read-only"]) {
        "Free space on the disk, then run it again: it resumes from its last saved state."
    } else if holds(&["image", "data set", "dataset", "decode"]) {
        "Look at the data set's page for the file. A changed data set can be taken as a new version there."
    } else {
        "Read the last lines. Once the cause is gone, run it again: it resumes from its last saved state."
    }
}

/// What is wrong with a run now; `still` is for how long it has had no event, in milliseconds.
fn alert(run: &RunRow, still: u64) -> Option<Alert> {
    match run.state {
        RunState::Failed => {
            let error = run.error.clone().unwrap_or_else(|| "It stopped with an error.".into());
            let advice = advice(&error);
            Some(Alert::of(run, error, advice))
        }
        RunState::Interrupted => Some(Alert::of(
            run,
            run.error
                .clone()
                .unwrap_or_else(|| "Its worker ended before the run had finished.".into()),
            "Run it again: it resumes from its last saved state. If it happens again, look at the machine's memory.",
        )),
        RunState::Running if run.paused.is_some() => {
            let why = run.paused.clone().unwrap_or_default();
            let advice = "It goes on by itself when the cause is gone.";
            Some(Alert::of(run, format!("Training is paused: {why}."), advice))
        }
        RunState::Running
            if still >= PATIENCE && run.progress.preparing.is_none() && !waits(run) =>
        {
            let advice = "One step of a large model on a slow device may take this long. Otherwise look at the last lines, and at the device's load on the page System.";
            let minutes = PATIENCE / 60_000;
            Some(Alert::of(run, format!("No step for {minutes} min and more."), advice))
        }
        _ => None,
    }
}

/// Whether a run waits in a cluster's queue.
fn waits(run: &RunRow) -> bool {
    run.job.as_ref().is_some_and(|job| job.waits.is_some())
}

/// Takes the newest number of each running run; forgets the others.
fn look(seen: &mut Seen, jobs: &[RunRow], now: u64) {
    let running = |run: &&RunRow| run.state == RunState::Running;
    let next = jobs.iter().filter(running).map(|run| {
        let seq = run.progress.seq;
        let before = seen.get(&run.id).filter(|(known, _)| *known == seq);
        (run.id, before.copied().unwrap_or((seq, now)))
    });
    *seen = next.collect();
}

fn now() -> u64 {
    js_sys::Date::now() as u64
}

/// The alerts, where there are any.
#[component]
pub fn Alerts(
    /// What runs and what waits.
    jobs: Memo<Vec<RunRow>>,
) -> impl IntoView {
    let ended = |state: RunState| {
        let path = format!("/runs?state={state}&descending=true&limit={LOOKED_AT}");
        let runs: Fetched<Page<RunRow>> =
            fetched_every(move || Some(path.clone()), PERIOD, |_| true);
        runs
    };
    let (failed, interrupted) = (ended(RunState::Failed), ended(RunState::Interrupted));
    let away = RwSignal::new(kept::value::<Vec<String>>(SEEN).unwrap_or_default());
    let seen = StoredValue::new(Seen::new());
    // A run that does not get on changes nothing, so the time itself is watched.
    let clock = RwSignal::new(now());
    spawn_local(async move {
        loop {
            TimeoutFuture::new(PERIOD).await;
            if clock.try_set(now()).is_some() {
                break;
            }
        }
    });
    let alerts = Memo::new(move |_| {
        let now = clock.get();
        let mut alerts = Vec::new();
        jobs.with(|jobs| {
            seen.update_value(|seen| look(seen, jobs, now));
            for run in jobs {
                let at = seen.with_value(|seen| seen.get(&run.id).map(|(_, at)| *at));
                alerts.extend(alert(run, now.saturating_sub(at.unwrap_or(now))));
            }
        });
        // A run that never started failed because of another one, which has its own alert.
        let recent = |run: &&RunRow| {
            let ended = run.started_at.and(run.ended_at);
            ended.is_some_and(|at| now.saturating_sub(at) < RECENT)
        };
        for runs in [failed, interrupted] {
            let runs = runs.value().map(|page| page.items).unwrap_or_default();
            alerts.extend(runs.iter().filter(recent).filter_map(|run| alert(run, 0)));
        }
        away.with(|away| alerts.retain(|alert| !away.contains(&alert.key)));
        alerts
    });
    let put_away = Callback::new(move |key: String| {
        away.update(|away| {
            away.push(key);
            let excess = away.len().saturating_sub(MOST_SEEN);
            away.drain(..excess);
        });
        away.with_untracked(|away| kept::keep(SEEN, away));
    });
    let changed = Callback::new(move |()| {
        failed.refetch();
        interrupted.refetch();
    });
    let count = Memo::new(move |_| alerts.with(Vec::len));
    view! {
        <Show when=move || count.get() != 0>
            <section class="panel alerts" aria-labelledby="alerts-title">
                <header class="panel-head">
                    <h2 id="alerts-title">"Needs attention"</h2>
                    <span class="muted small">{count}</span>
                </header>
                <ul class="alert-list">
                    <For each=move || alerts.get() key=|alert| (alert.key.clone(), alert.what.clone()) let:alert>
                        <Row alert put_away changed/>
                    </For>
                </ul>
            </section>
        </Show>
    }
}

/// One of them.
#[component]
fn Row(alert: Alert, put_away: Callback<String>, changed: Callback<()>) -> impl IntoView {
    let Alert { run, key, href, name, what, advice, again } = alert;
    let open = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let retry = move |_| {
        spawn_local(async move {
            match api::post_empty::<RunRow>(format!("/runs/{run}/retry")).await {
                Ok(_) => drop(changed.try_run(())),
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    };
    view! {
        <li class="alert">
            <Icon glyph=Glyph::Alert/>
            <div class="alert-text">
                <a href=to(href)>{name.clone()}</a>
                <p>{message(&what)}</p>
                <p class="muted small">{advice}</p>
                <Show when=move || open.get()><LastLines run/></Show>
                {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            </div>
            <div class="alert-actions">
                <button
                    type="button"
                    class="button button-small"
                    aria-expanded=move || open.get().to_string()
                    on:click=move |_| open.update(|open| *open = !*open)
                >
                    "Last lines"
                </button>
                {again.then(|| view! {
                    <button type="button" class="button button-small" on:click=retry>
                        <Icon glyph=Glyph::Retry/>
                        "Run again"
                    </button>
                })}
                <button
                    type="button"
                    class="button button-quiet button-small"
                    aria-label=format!("Put away: {name}")
                    on:click=move |_| put_away.run(key.clone())
                >
                    <Icon glyph=Glyph::Close/>
                    "Put away"
                </button>
            </div>
        </li>
    }
}

/// The end of a run's log.
#[component]
fn LastLines(run: RunId) -> impl IntoView {
    let text = RwSignal::new("Loading the log…".to_owned());
    spawn_local(async move {
        let answer = api::get_text(format!("/runs/{run}/log?tail={LINES}")).await;
        text.try_set(match answer {
            Ok(lines) if lines.trim().is_empty() => "The worker wrote nothing.".into(),
            Ok(lines) => lines,
            Err(problem) => problem.detail,
        });
    });
    view! { <pre class="log" tabindex="0" aria-label="Last lines of the log">{text}</pre> }
}

#[cfg(test)]
mod tests {
    use shared::{Progress, RunKind, run::RunPoint};

    use super::*;
    use crate::fixture::row;

    fn run(state: RunState) -> RunRow {
        let point = RunPoint {
            kind: RunKind::Pretrain,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        RunRow { state, ..row(point) }
    }

    #[test]
    fn an_error_is_told_with_what_to_do() {
        let mut failed = run(RunState::Failed);
        failed.error = Some("the loss is NaN in epoch 3".into());
        let told = alert(&failed, 0).expect("an alert");
        assert!(told.again && told.what.contains("NaN") && told.advice.contains("learning rate"));
        assert!(advice("CUDA: out of memory").contains("batch"));
        assert!(advice("something else").contains("last lines"));
        assert_eq!(alert(&run(RunState::Done), 0), None);
        assert_eq!(alert(&run(RunState::Cancelled), 0), None);
        assert!(alert(&run(RunState::Interrupted), 0).is_some());
    }

    #[test]
    fn a_run_that_ends_again_is_a_new_alert() {
        let mut failed = run(RunState::Failed);
        failed.ended_at = Some(1);
        let first = alert(&failed, 0).map(|alert| alert.key);
        failed.ended_at = Some(2);
        assert_ne!(first, alert(&failed, 0).map(|alert| alert.key));
    }

    #[test]
    fn silence_is_measured_from_what_the_page_saw() {
        let mut running = run(RunState::Running);
        running.progress.seq = 5;
        let mut seen = Seen::new();
        look(&mut seen, &[running.clone()], 1000);
        look(&mut seen, &[running.clone()], 9000);
        assert_eq!(seen[&running.id], (5, 1000));
        running.progress.seq = 6;
        look(&mut seen, &[running.clone()], 9500);
        assert_eq!(seen[&running.id], (6, 9500));
        assert_eq!(alert(&running, PATIENCE - 1), None);
        assert!(alert(&running, PATIENCE).expect("silent").what.starts_with("No step for 3 min"));
        running.progress = Progress { preparing: Some("decoding".into()), ..running.progress };
        assert_eq!(alert(&running, PATIENCE), None, "preparation has no steps");
        running.paused = Some("the disk is full".into());
        assert!(alert(&running, 0).expect("paused").what.contains("the disk is full"));
        look(&mut seen, &[], 9600);
        assert!(seen.is_empty());
    }
}
