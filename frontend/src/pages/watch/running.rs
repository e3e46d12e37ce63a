//! What runs now: its curves over each other, followed by the server's stream of events.

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{query_signal_with_options, use_navigate},
};
use shared::{
    RunKind, RunState,
    api::{LiveEvent, RunRow, SystemInfo},
};

use crate::{
    api,
    base::to,
    components::{Fetched, Segmented, fetched_every},
    curves::{Curves, Follow, Line},
    live::{self, Link},
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 2000;
/// Curves in one figure at most.
const MOST_LINES: usize = 12;

/// The kinds of what runs, in order.
fn kinds(jobs: &[RunRow]) -> Vec<RunKind> {
    let running = |kind: &RunKind| {
        jobs.iter().any(|run| run.shown_state() == RunState::Running && run.point.kind == *kind)
    };
    RunKind::ALL.into_iter().filter(running).collect()
}

/// The runs whose curves are drawn: what runs, all of the wanted kind or else of the first kind there is. A loss of one kind is no
/// measure for another's.
fn lines(jobs: &[RunRow], wanted: Option<RunKind>) -> Vec<Line> {
    let kinds = kinds(jobs);
    let kind = wanted.filter(|kind| kinds.contains(kind)).or_else(|| kinds.first().copied());
    let studies = jobs.iter().any(|run| run.study != jobs[0].study);
    let line = |run: &RunRow| {
        let label = run.label();
        let label = if studies { format!("{}: {label}", run.study_name) } else { label };
        Line { run: run.id, kind: run.point.kind, label }
    };
    let drawn = jobs
        .iter()
        .filter(|run| run.shown_state() == RunState::Running && Some(run.point.kind) == kind);
    drawn.take(MOST_LINES).map(line).collect()
}

/// What runs, while a page follows it. Address: `?kind=` narrows the curves to one kind of run.
#[derive(Clone, Copy)]
pub struct Running {
    /// The state of the server.
    pub system: Fetched<SystemInfo>,
    /// What runs and waits.
    pub jobs: Memo<Vec<RunRow>>,
    /// Whether events arrive.
    pub link: Signal<Link>,
    lines: Memo<Vec<Line>>,
    follow: Follow,
    set_kind: SignalSetter<Option<String>>,
}

impl Running {
    /// Begins to follow, as long as the caller's page is open.
    pub fn new() -> Self {
        let system: Fetched<SystemInfo> =
            fetched_every(|| Some("/system".into()), PERIOD, |_| true);
        let jobs = Memo::new(move |_| system.value().map(|info| info.jobs).unwrap_or_default());
        let options =
            NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        let (kind, set_kind) = query_signal_with_options::<String>("kind", options);
        let lines = Memo::new(move |_| {
            let kind = kind.with(|kind| kind.as_deref().and_then(|kind| kind.parse().ok()));
            jobs.with(|jobs| lines(jobs, kind))
        });
        let started = Memo::new(move |_| {
            let drawn = lines.get();
            jobs.with(|jobs| {
                let drawn = jobs.iter().filter(|run| drawn.iter().any(|line| line.run == run.id));
                drawn.map(|run| (run.id, run.started_at)).collect::<Vec<_>>()
            })
        });
        let follow = Follow::new(started);
        let link = live::follow(
            api::address("/events"),
            move || follow.catch_up(),
            move |event: LiveEvent| {
                follow.take(&event);
                // A state, a place in the queue or a hold has changed.
                if event.stamped.is_none() {
                    system.refetch();
                }
            },
        );
        Self { system, jobs, link, lines, follow, set_kind }
    }
}

/// The curves of what runs, all of one kind; nothing while nothing runs. A click on a line leads to its run.
#[component]
pub fn WhatRuns(
    /// What runs.
    running: Running,
) -> impl IntoView {
    let Running { jobs, lines, follow, set_kind, .. } = running;
    let navigate = use_navigate();
    let pick = Callback::new(move |run: String| {
        let study = jobs.with_untracked(|jobs| {
            jobs.iter().find(|job| job.id.to_string() == run).map(|job| job.study)
        });
        if let Some(study) = study {
            navigate(&to(format!("/studies/{study}?run={run}")), NavigateOptions::default());
        }
    });
    let all = Memo::new(move |_| jobs.with(|jobs| kinds(jobs)));
    let chosen = Memo::new(move |_| lines.with(|lines| lines.first().map(|line| line.kind)));
    let bar = move || {
        let kinds = all.get();
        (kinds.len() > 1).then(|| {
            let choices = kinds.iter().map(|kind| (*kind, kind.title().to_owned())).collect();
            let choose = Callback::new(move |kind: RunKind| {
                set_kind.set(Some(kind.as_str().to_owned()));
            });
            view! { <Segmented label="Kind of run" choices value=chosen choose/> }
        })
    };
    view! {
        <Show when=move || lines.with(|lines| !lines.is_empty())>
            <section class="panel" aria-labelledby="curves-title">
                <header class="panel-head">
                    <h2 id="curves-title">"What runs now"</h2>
                    {bar}
                </header>
                <div class="panel-body">
                    <Curves lines traces=follow.traces() pick/>
                </div>
            </section>
        </Show>
    }
}

/// [`WhatRuns`] on another page than *Watch*.
#[component]
pub fn RunningNow() -> impl IntoView {
    view! { <WhatRuns running=Running::new()/> }
}

#[cfg(test)]
mod tests {
    use shared::{StudyId, run::RunPoint};

    use super::*;
    use crate::fixture::row;

    fn job(kind: RunKind, seed: u64, state: RunState) -> RunRow {
        let point = RunPoint {
            kind,
            ppr: 0,
            lpr: 0,
            seed,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let id = shared::RunId::from_parts(seed, [kind as u8; 10]);
        RunRow { id, state, ..row(point) }
    }

    #[test]
    fn the_curves_are_of_one_kind() {
        let mut jobs = vec![
            job(RunKind::Probe, 1, RunState::Running),
            job(RunKind::Pretrain, 2, RunState::Running),
            job(RunKind::Pretrain, 3, RunState::Running),
            job(RunKind::Finetune, 4, RunState::Queued),
        ];
        assert_eq!(kinds(&jobs), [RunKind::Pretrain, RunKind::Probe]);
        assert_eq!(lines(&jobs, None).len(), 2);
        assert_eq!(lines(&jobs, Some(RunKind::Probe)).len(), 1);
        // Fine-tuning only waits.
        assert_eq!(lines(&jobs, Some(RunKind::Finetune)).len(), 2);
        jobs[1].study_name = "Mine".into();
        assert!(!lines(&jobs, None)[0].label.contains("Mine"));
        jobs[0].study = StudyId::from_parts(9, [9; 10]);
        assert!(lines(&jobs, None)[0].label.starts_with("Mine: "));
        assert!(lines(&[], None).is_empty());
    }
}
