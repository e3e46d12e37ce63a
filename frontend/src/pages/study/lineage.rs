//! The lineage as a small tree: each pre-training with the probes that start from it. Doubles as navigation.

use leptos::prelude::*;
use shared::{
    RunId, RunState,
    api::{RunRow, StudyDetail},
};

use crate::{
    base::to,
    components::{ProgressBar, StateBadge, format},
    run_name::run_name,
};

/// A pre-training and what starts from it, or from what started from it, as indices into the list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Branch {
    root: usize,
    leaves: Vec<usize>,
}

/// The branches in the order of their roots. A run whose pre-training is not in the study is its own branch.
fn branches(runs: &[RunRow]) -> Vec<Branch> {
    let parent = |place: usize| runs.iter().position(|other| Some(other.id) == runs[place].parent);
    let mut branches: Vec<Branch> = Vec::new();
    for place in (0..runs.len()).filter(|&place| parent(place).is_none()) {
        branches.push(Branch { root: place, leaves: Vec::new() });
    }
    for place in 0..runs.len() {
        // No run starts from itself: there are fewer steps up than runs.
        let above = std::iter::successors(parent(place), |&above| parent(above));
        let Some(root) = above.take(runs.len()).last() else { continue };
        if let Some(branch) = branches.iter_mut().find(|branch| branch.root == root) {
            branch.leaves.push(place);
        }
    }
    branches
}

/// What distinguishes the run at this index from its neighbours in the tree.
fn name(study: &StudyDetail, place: usize) -> Option<String> {
    let run = study.runs.get(place)?;
    let parent = study.runs.iter().find(|other| Some(other.id) == run.parent);
    let seeds = study.spec.values_of("seed").len() > 1;
    Some(run_name(run.point, &run.varied, parent.map(|parent| &parent.varied), seeds))
}

/// The text after a run's name: its result, its progress, or nothing.
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
        study
            .with(|study| study.as_ref().and_then(|study| study.spec.settings.encoder.clone()))
            .map(|name| {
                view! {
                    <p class="small">
                        "Imported encoder "
                        <a href=to("/checkpoints")>{name}</a>
                    </p>
                }
            })
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
    let state = Memo::new(move |_| run.with(|run| run.as_ref().map(RunRow::shown_state)));
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
    let title = Memo::new(move |_| study.with(|study| name(study.as_ref()?, place)));
    view! {
        <a class="node" href=href data-noscroll aria-current=current>
            <span class="node-name">{title}</span>
            <span class="node-behind">{move || run.with(|run| run.as_ref().and_then(behind))}</span>
            {move || state.get().map(|state| view! { <StateBadge state/> })}
            <Show when=move || state.get() == Some(RunState::Running)>
                <ProgressBar
                    fraction
                    label=Signal::derive(move || title.get().unwrap_or_default())
                />
            </Show>
        </a>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Ratio, RunKind,
        metric::Metrics,
        study::{Axis, presets},
    };

    use super::*;
    use crate::fixture;

    #[test]
    fn each_classifier_hangs_on_its_pretraining() {
        let mut spec = presets()[0].spec.clone();
        spec.runs = vec![RunKind::Probe, RunKind::Finetune];
        spec.axes = vec![
            Axis::of("pretrain.poisons", [0u32, 10]),
            Axis::of("finetune.start", ["encoder", "scratch"]),
        ];
        spec.settings.probe.poisons = 3;
        spec.settings.seed = 2;
        let study = fixture::study(spec);
        let branches = branches(&study.runs);
        let shape: Vec<_> = branches.iter().map(|branch| branch.leaves.len()).collect();
        assert_eq!(shape.iter().sum::<usize>() + shape.len(), study.runs.len());
        assert_eq!(shape.iter().filter(|&&leaves| leaves == 2).count(), 2, "{shape:?}");
        let told = |place| name(&study, place).expect("a run");
        assert_eq!(told(branches[0].root), "Pre-training, PPR 0");
        assert_eq!(told(branches[0].leaves[0]), "Probe, LPR 3");
    }

    #[test]
    fn a_repair_stands_below_the_pre_training_of_its_classifier() {
        let mut runs = fixture::study(presets()[0].spec.clone()).runs;
        runs.truncate(3);
        for (at, run) in runs.iter_mut().enumerate() {
            run.id = RunId::from_parts(at as u64, [1; 10]);
        }
        (runs[0].parent, runs[1].parent, runs[2].parent) =
            (None, Some(runs[0].id), Some(runs[1].id));
        assert_eq!(branches(&runs), [Branch { root: 0, leaves: vec![1, 2] }]);
    }

    #[test]
    fn a_result_stands_behind_its_run() {
        let mut run = fixture::study(presets()[0].spec.clone()).runs.remove(0);
        assert_eq!(behind(&run), None);
        run.state = RunState::Done;
        let share = Ratio { hits: 8, total: 10 };
        run.metrics = Some(Metrics { ca: share, asr: share, ra: share, ..Metrics::default() });
        assert_eq!(behind(&run).as_deref(), Some("ASR 80.0 %"));
    }
}
