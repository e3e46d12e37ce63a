//! The lineage as a small tree: each pre-training with the probes that start from it. Doubles as navigation.

use leptos::prelude::*;
use shared::{
    Phase, RunId, RunState,
    api::{RunRow, StudyDetail},
};

use crate::components::{ProgressBar, StateBadge, format};

/// A pre-training and what starts from it, as places in the list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Branch {
    root: usize,
    leaves: Vec<usize>,
}

/// The branches in the order of their roots. A run without a known encoder is a branch of its own.
fn branches(runs: &[RunRow]) -> Vec<Branch> {
    let is_root = |run: &RunRow| {
        run.point.phase == Phase::Pretrain
            || !runs.iter().any(|other| run.point.encoder() == Some(other.point))
    };
    let mut branches: Vec<Branch> = Vec::new();
    for (place, _) in runs.iter().enumerate().filter(|(_, run)| is_root(run)) {
        branches.push(Branch { root: place, leaves: Vec::new() });
    }
    for (place, run) in runs.iter().enumerate().filter(|(_, run)| !is_root(run)) {
        let branch =
            branches.iter_mut().find(|branch| run.point.encoder() == Some(runs[branch.root].point));
        if let Some(branch) = branch {
            branch.leaves.push(place);
        }
    }
    branches
}

/// What tells a run from its neighbours in the tree. Those of an imported encoder stand side by side.
fn name(run: &RunRow, seeds: bool) -> String {
    let seed = if seeds { format!(", seed {}", run.point.seed) } else { String::new() };
    match run.point.phase {
        Phase::Pretrain => format!("Pre-training, PPR {}{seed}", run.point.ppr),
        Phase::Probe if run.parent.is_none() => format!("Probe, LPR {}{seed}", run.point.lpr),
        Phase::Probe => format!("Probe, LPR {}", run.point.lpr),
        Phase::Finetune if run.point.scratch => {
            format!("From scratch, FPR {}{seed}", run.point.lpr)
        }
        Phase::Finetune if run.parent.is_none() => {
            format!("Fine-tuning, FPR {}{seed}", run.point.lpr)
        }
        Phase::Finetune => format!("Fine-tuning, FPR {}", run.point.lpr),
    }
}

/// What stands behind a run: its result, its progress, or nothing.
fn behind(run: &RunRow) -> Option<String> {
    match run.state {
        RunState::Done => {
            run.metrics.map(|metrics| format!("ASR {}", format::percent(metrics.asr)))
        }
        RunState::Running => run
            .progress
            .preparing
            .is_none()
            .then(|| {
                run.progress.seconds_left().map(|left| format!("{} left", format::duration(left)))
            })
            .flatten(),
        _ => None,
    }
}

/// The tree.
#[component]
pub fn Lineage(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The run that is shown.
    selected: Memo<Option<RunId>>,
) -> impl IntoView {
    let places = Memo::new(move |_| {
        study.with(|study| study.as_ref().map_or_else(Vec::new, |study| branches(&study.runs)))
    });
    let tree = move || {
        places
            .get()
            .into_iter()
            .map(|branch| {
                let leaves = branch
                    .leaves
                    .iter()
                    .map(|&leaf| view! { <li><Node study place=leaf selected/></li> })
                    .collect_view();
                view! {
                    <li>
                        <Node study place=branch.root selected/>
                        <ul>{leaves}</ul>
                    </li>
                }
            })
            .collect_view()
    };
    let encoder = move || {
        study.with(|study| study.as_ref().and_then(|study| study.spec.encoder.clone())).map(
            |name| {
                view! {
                    <p class="small">
                        "Imported encoder "
                        <a href="/checkpoints">{name}</a>
                    </p>
                }
            },
        )
    };
    view! {
        <nav class="lineage" aria-label="Runs of this study">
            {encoder}
            <ul>{tree}</ul>
        </nav>
    }
}

#[component]
fn Node(
    study: Memo<Option<StudyDetail>>,
    place: usize,
    selected: Memo<Option<RunId>>,
) -> impl IntoView {
    let run = Memo::new(move |_| {
        study.with(|study| study.as_ref().and_then(|study| study.runs.get(place).cloned()))
    });
    let seeds = move || {
        study.with_untracked(|study| {
            study.as_ref().is_some_and(|study| study.spec.grid.seeds.len() > 1)
        })
    };
    let state = Memo::new(move |_| run.with(|run| run.as_ref().map(|run| run.state)));
    let fraction = Signal::derive(move || {
        run.with(|run| run.as_ref().map_or(0.0, |run| run.progress.fraction()))
    });
    let href = move || {
        run.with(|run| run.as_ref().map_or_else(String::new, |run| format!("?run={}", run.id)))
    };
    let current = move || {
        let here = run.with(|run| run.as_ref().map(|run| run.id));
        (here.is_some() && here == selected.get()).then_some("true")
    };
    let title = move || run.with(|run| run.as_ref().map(|run| name(run, seeds())));
    view! {
        <a class="node" href=href data-noscroll aria-current=current>
            <span class="node-name">{title}</span>
            <span class="node-behind">{move || run.with(|run| run.as_ref().and_then(behind))}</span>
            {move || state.get().map(|state| view! { <StateBadge state/> })}
            <Show when=move || state.get() == Some(RunState::Running)>
                <ProgressBar
                    fraction
                    label=Signal::derive(move || title().unwrap_or_default())
                />
            </Show>
        </a>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Progress, Ratio, StudyId,
        metric::Metrics,
        run::RunPoint,
        study::{GridSpec, HeadInit, ProbeOptimizer},
    };

    use super::*;

    fn run(point: RunPoint) -> RunRow {
        RunRow {
            id: RunId::from_parts(1, [1; 10]),
            study: StudyId::from_parts(1, [0; 10]),
            study_name: String::new(),
            dataset: String::new(),
            trigger: String::new(),
            trigger_kind: String::new(),
            strength: 0.4,
            optimizer: ProbeOptimizer::Lars,
            head_init: HeadInit::Normal,
            point,
            parent: None,
            state: RunState::Queued,
            progress: Progress::default(),
            metrics: None,
            created_at: 0,
            started_at: None,
            ended_at: None,
            error: None,
        }
    }

    #[test]
    fn each_probe_hangs_on_its_pretraining() {
        let grid = GridSpec {
            ppr: vec![0, 10],
            lpr: vec![0],
            fpr: vec![3],
            scratch: true,
            seeds: vec![1],
        };
        let runs: Vec<_> = grid.points().into_iter().map(run).collect();
        assert_eq!(
            branches(&runs),
            [
                Branch { root: 0, leaves: vec![1, 2] },
                Branch { root: 3, leaves: vec![4, 5] },
                Branch { root: 6, leaves: vec![] },
            ]
        );
        assert_eq!(branches(&runs[1..2]), [Branch { root: 0, leaves: vec![] }]);
    }

    #[test]
    fn a_run_is_named_and_told() {
        let mut probe =
            run(RunPoint { phase: Phase::Probe, ppr: 10, lpr: 3, seed: 2, scratch: false });
        assert_eq!(name(&probe, true), "Probe, LPR 3, seed 2");
        probe.parent = Some(probe.id);
        assert_eq!(name(&probe, true), "Probe, LPR 3");
        assert_eq!(behind(&probe), None);
        probe.state = RunState::Done;
        let share = Ratio { hits: 8, total: 10 };
        probe.metrics = Some(Metrics { ca: share, asr: share, ra: share, top5: None });
        assert_eq!(behind(&probe).as_deref(), Some("ASR 80.0 %"));
        let root = run(probe.point.encoder().expect("a pre-training"));
        assert_eq!(name(&root, true), "Pre-training, PPR 10, seed 2");
    }
}
