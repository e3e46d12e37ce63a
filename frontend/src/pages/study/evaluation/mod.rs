//! The last evaluation of the selected classifier: what it predicts for each class, and where the attack succeeds.

mod cells;
mod heat;
mod images;

use leptos::prelude::*;
use shared::{
    Ratio, RunId, RunKind, RunState,
    api::{RunRow, StudyDetail},
    metric::Evaluation,
};

use crate::components::{Fetched, ProblemBox, fetched, format};
use heat::HeatMap;
use images::FallenImages;

/// The run to show: a finished classifier that was trained. Nearest neighbours keep their counts, but no matrices.
fn shown(run: &RunRow) -> Option<RunId> {
    let is_trained = matches!(run.point.kind, RunKind::Probe | RunKind::Finetune);
    (run.state == RunState::Done && is_trained).then_some(run.id)
}

/// The attack success rates, highest first, with the number of their class.
fn by_success(evaluation: &Evaluation) -> Vec<(usize, Ratio)> {
    let rates = evaluation.class_asr().into_iter().enumerate();
    let mut rates: Vec<_> = rates.filter_map(|(class, rate)| Some((class, rate?))).collect();
    let share = |ratio: Ratio| ratio.share().unwrap_or(-1.0);
    rates.sort_by(|a, b| share(b.1).total_cmp(&share(a.1)));
    rates
}

/// The sentence above the maps.
fn sentence(evaluation: &Evaluation) -> String {
    let share = |name: &str, ratio: Ratio| {
        format!("{name} {} ({})", format::percent(ratio), format::interval(ratio))
    };
    let mut parts = vec![share("CA", evaluation.metrics.ca)];
    parts.extend(evaluation.metrics.top5.map(|top5| share("top-5", top5)));
    parts.extend(evaluation.loss.map(|loss| format!("loss {loss:.3}")));
    let clean = parts.join(", ");
    let mut parts = vec![share("ASR", evaluation.metrics.asr), share("RA", evaluation.metrics.ra)];
    parts.extend(evaluation.triggered_loss.map(|loss| format!("loss {loss:.3}")));
    format!("Clean images: {clean}. Triggered images: {}.", parts.join(", "))
}

/// The panel; nothing unless the selected run is a finished classifier.
#[component]
pub fn EvaluationPanel(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The selected run, without its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let shown = Memo::new(move |_| run.with(|run| run.as_ref().and_then(shown)));
    let names = Memo::new(move |_| {
        study.with(|study| study.as_ref().map(|study| study.classes.clone()).unwrap_or_default())
    });
    // Each run has its own `Answer`: the matrices of another run would mislead while its own are loading.
    move || {
        shown.get().map(|id| {
            view! {
                <section class="panel" id="evaluation">
                    <div class="panel-head">
                        <h2>"Evaluation of the selected run"</h2>
                        <span class="muted small">"rows: true class, columns: predicted class"</span>
                    </div>
                    <div class="panel-body stack">
                        <Answer run=id names/>
                        <FallenImages id study run/>
                    </div>
                </section>
            }
        })
    }
}

#[component]
fn Answer(run: RunId, names: Memo<Vec<String>>) -> impl IntoView {
    let answer: Fetched<Evaluation> = fetched(move || Some(format!("/runs/{run}/evaluation")));
    move || {
        match answer.get() {
        None => view! { <p class="loading">"Loading the evaluation…"</p> }.into_any(),
        Some(Err(problem)) if problem.status == 404 => view! {
            <p class="muted">"This run was evaluated by an earlier version, which stored no confusion matrices."</p>
        }
        .into_any(),
        Some(Err(problem)) => view! { <ProblemBox problem/> }.into_any(),
        Some(Ok(evaluation)) => view! { <EvaluationContent evaluation names=names.get()/> }.into_any(),
    }
    }
}

/// The numbers in a sentence, both matrices, and the attack success of each class.
#[component]
pub fn EvaluationContent(
    /// The evaluation.
    evaluation: Evaluation,
    /// Class names.
    names: Vec<String>,
) -> impl IntoView {
    let target = evaluation.target_class as usize;
    let told = sentence(&evaluation);
    let rates = by_success(&evaluation);
    let target_name = format::class(target, &names);
    let bars = rates
        .into_iter()
        .map(|(class, rate)| {
            view! { <ClassRate name=format::class(class, &names) rate/> }
        })
        .collect_view();
    view! {
        <p class="small">{told}</p>
        <div class="evaluation">
            <HeatMap
                title="Clean images"
                colour="clean"
                confusion=evaluation.clean
                names=names.clone()
                target
            />
            <HeatMap
                title="Triggered images"
                colour="triggered"
                confusion=evaluation.triggered
                names
                target
            />
            <div class="class-rates">
                <h3>"Attack success by class"</h3>
                <p class="muted small">
                    "Triggered images of the class that are classified as the target, "
                    <span class="target">{target_name}</span>
                    ", with 95 % Wilson intervals."
                </p>
                <ul tabindex="0" aria-label="Attack success rate of each class, highest first">{bars}</ul>
            </div>
        </div>
    }
}

/// One class's rate: a bar with its interval, and the numbers.
#[component]
fn ClassRate(name: String, rate: Ratio) -> impl IntoView {
    let percent = rate.percent().unwrap_or(0.0);
    let (low, high) = rate.wilson95().map_or((0.0, 0.0), |of| (100.0 * of.low, 100.0 * of.high));
    let interval = format!("M{low:.2} 5H{high:.2}M{low:.2} 2V8M{high:.2} 2V8");
    view! {
        <li>
            <span class="class-name" title=name.clone()>{name.clone()}</span>
            <svg class="class-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect class="class-bar-all" width="100" height="10"/>
                <rect class="class-bar-share" width=format!("{percent:.2}") height="10"/>
                <path class="class-bar-interval" d=interval/>
            </svg>
            <span class="class-rate">
                <strong class="triggered">{format::percent(rate)}</strong>
                " "
                <span class="interval">{format::interval(rate)}</span>
            </span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use shared::metric::{Confusion, Metrics};

    use super::*;

    fn evaluation() -> Evaluation {
        let clean = Confusion { rows: vec![vec![2, 0], vec![1, 1]], undecided: Vec::new() };
        let triggered = Confusion { rows: vec![vec![2, 0], vec![2, 0]], undecided: Vec::new() };
        let metrics = Metrics::from_confusions(&clean, &triggered, &0.into(), None);
        let (loss, triggered_loss) = (Some(0.5), None);
        Evaluation {
            target_class: 0,
            sources: Vec::new(),
            metrics,
            loss,
            triggered_loss,
            clean,
            triggered,
        }
    }

    #[test]
    fn the_sentence_leaves_out_what_was_not_measured() {
        assert_eq!(
            sentence(&evaluation()),
            "Clean images: CA 75.0 % (30.1–95.4), loss 0.500. Triggered images: ASR 100.0 % (34.2–100.0), RA 0.0 % (0.0–65.8)."
        );
    }

    #[test]
    fn runs_without_matrices_have_no_panel() {
        use shared::run::RunPoint;
        let of = |kind, state| {
            let point =
                RunPoint { kind, ppr: 0, lpr: 3, seed: 1, scratch: false, implanted: false };
            shown(&RunRow { state, ..crate::fixture::row(point) })
        };
        assert!(of(RunKind::Probe, RunState::Done).is_some());
        assert_eq!(of(RunKind::Probe, RunState::Running), None);
        assert_eq!(of(RunKind::Knn, RunState::Done), None);
        assert_eq!(of(RunKind::Pretrain, RunState::Done), None);
    }

    #[test]
    fn the_class_that_the_attack_reaches_most_comes_first() {
        let mut three = evaluation();
        three.triggered.rows = vec![vec![4, 0, 0], vec![1, 3, 0], vec![3, 0, 1]];
        let order: Vec<_> = by_success(&three).into_iter().map(|(class, _)| class).collect();
        assert_eq!(order, [2, 1], "the target counts for none");
    }
}
