//! The last evaluation of the selected classifier: what it predicts for each class, and where the attack succeeds.

mod cells;
mod heat;
mod images;

use leptos::prelude::*;
use shared::{
    Ratio, RunId, RunKind, RunState,
    api::{RunRow, StudyDetail},
    metric::{BackdoorEvaluation, Evaluation},
    param,
};

use super::results::ShareCell;
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
    let triggered =
        if evaluation.further.is_empty() { "Triggered images" } else { "With the main trigger" };
    format!("Clean images: {clean}. {triggered}: {}.", parts.join(", "))
}

/// The rows of the table of backdoors, the main one first: trigger, target class, ASR and RA. `main` is the label of the main trigger. Empty unless
/// there are several.
fn backdoors(evaluation: &Evaluation, main: Option<String>) -> Vec<(String, u32, Ratio, Ratio)> {
    if evaluation.further.is_empty() {
        return Vec::new();
    }
    let main = evaluation.target_class.class().map(|target| {
        let name = main.unwrap_or_else(|| "main trigger".into());
        (name, target, evaluation.metrics.asr, evaluation.metrics.ra)
    });
    let of = |one: &BackdoorEvaluation| (one.trigger.clone(), one.target_class, one.asr, one.ra);
    main.into_iter().chain(evaluation.further.iter().map(of)).collect()
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
    // The run's own trigger: a study may vary it.
    let main = Memo::new(move |_| {
        let varied = run.with(|run| run.as_ref().map(|run| run.varied.clone()))?;
        study.with(|study| {
            let settings = param::with(&study.as_ref()?.spec.settings, &varied);
            Some(settings.attack.trigger.label())
        })
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
                        <Answer run=id names main/>
                        <FallenImages id study run/>
                    </div>
                </section>
            }
        })
    }
}

#[component]
fn Answer(run: RunId, names: Memo<Vec<String>>, main: Memo<Option<String>>) -> impl IntoView {
    let answer: Fetched<Evaluation> = fetched(move || Some(format!("/runs/{run}/evaluation")));
    move || {
        match answer.get() {
        None => view! { <p class="loading">"Loading the evaluation…"</p> }.into_any(),
        Some(Err(problem)) if problem.status == 404 => view! {
            <p class="muted">"This run was evaluated by an earlier version, which stored no confusion matrices."</p>
        }
        .into_any(),
        Some(Err(problem)) => view! { <ProblemBox problem/> }.into_any(),
        Some(Ok(evaluation)) => view! {
            <EvaluationContent evaluation names=names.get() main=main.get()/>
        }
        .into_any(),
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
    /// Label of the main trigger, where there are several backdoors.
    #[prop(optional_no_strip)]
    main: Option<String>,
) -> impl IntoView {
    let targets: Vec<usize> =
        (0..evaluation.triggered.classes()).map(|class| evaluation.target_of(class)).collect();
    let told = sentence(&evaluation);
    let rates = by_success(&evaluation);
    let rows = backdoors(&evaluation, main);
    let maps = evaluation
        .further
        .iter()
        .map(|one| {
            let targets = vec![one.target_class as usize; one.triggered.classes()];
            view! {
                <HeatMap
                    title=format!("With {}", one.trigger)
                    colour="triggered"
                    confusion=one.triggered.clone()
                    names=names.clone()
                    targets
                />
            }
        })
        .collect_view();
    let several = (!rows.is_empty()).then(|| {
        let names = names.clone();
        view! {
            <h3>"Each backdoor"</h3>
            <Backdoors rows names/>
            <div class="evaluation">{maps}</div>
        }
    });
    let wanted = match evaluation.target_class.class() {
        Some(target) => view! {
            "Triggered images of the class that are classified as the target, "
            <span class="target">{format::class(target as usize, &names)}</span>
            ", with 95 % Wilson intervals."
        }
        .into_any(),
        None => view! {
            "Triggered images of the class that are classified as the next class, the last one's as the first (all-to-all), with 95 % "
            "Wilson intervals. The matrices mark these cells."
        }
        .into_any(),
    };
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
                targets=targets.clone()
            />
            <HeatMap
                title="Triggered images"
                colour="triggered"
                confusion=evaluation.triggered
                names
                targets
            />
            <div class="class-rates">
                <h3>"Attack success by class"</h3>
                <p class="muted small">{wanted}</p>
                <ul tabindex="0" aria-label="Attack success rate of each class, highest first">{bars}</ul>
            </div>
        </div>
        {several}
    }
}

/// The table of the backdoors of an attack that has several.
#[component]
fn Backdoors(rows: Vec<(String, u32, Ratio, Ratio)>, names: Vec<String>) -> impl IntoView {
    let lines = rows
        .into_iter()
        .map(|(trigger, target, asr, ra)| {
            view! {
                <tr>
                    <th scope="row">{trigger}</th>
                    <td data-label="Target">
                        <span class="target">{format::class(target as usize, &names)}</span>
                    </td>
                    <ShareCell ratio=Some(asr) colour="triggered" label="ASR"/>
                    <ShareCell ratio=Some(ra) colour="" label="RA"/>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-box table-plain">
            <table class="table table-cards">
                <caption class="visually-hidden">"Attack success of each backdoor"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Trigger"</th>
                        <th scope="col">"Target"</th>
                        <th scope="col" class="number" title="Images with this trigger, of classes other than its target, that are classified as its target">"ASR"</th>
                        <th scope="col" class="number" title="The same images, classified as their true class">"RA"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </table>
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
    use shared::metric::{Confusion, Metrics, Target};

    use super::*;

    fn evaluation() -> Evaluation {
        let clean = Confusion { rows: vec![vec![2, 0], vec![1, 1]], undecided: Vec::new() };
        let triggered = Confusion { rows: vec![vec![2, 0], vec![2, 0]], undecided: Vec::new() };
        let metrics = Metrics::from_confusions(&clean, &triggered, &0.into(), None);
        let (loss, triggered_loss) = (Some(0.5), None);
        Evaluation {
            target_class: Target::Class(0),
            sources: Vec::new(),
            metrics,
            loss,
            triggered_loss,
            clean,
            triggered,
            further: Vec::new(),
        }
    }

    #[test]
    fn several_backdoors_have_a_row_each() {
        let mut several = evaluation();
        assert!(
            backdoors(&several, Some("SIG 40".into())).is_empty(),
            "a single backdoor needs no table"
        );
        let taken = Confusion { rows: vec![vec![1, 1], vec![0, 2]], undecided: Vec::new() };
        several.add(BackdoorEvaluation::of("patched 8 px".into(), taken, &1.into()));
        let of = |hits, total| Ratio { hits, total };
        assert_eq!(
            backdoors(&several, Some("SIG 40".into())),
            [
                ("SIG 40".to_owned(), 0, of(2, 2), of(0, 2)),
                ("patched 8 px".to_owned(), 1, of(1, 2), of(1, 2))
            ]
        );
        assert_eq!(backdoors(&several, None)[0].0, "main trigger");
        assert!(sentence(&several).contains("With the main trigger: ASR 100.0 %"));
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
            let point = RunPoint {
                kind,
                ppr: 0,
                lpr: 3,
                seed: 1,
                scratch: false,
                implanted: false,
                repairs: false,
            };
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
        let all = Evaluation { target_class: Target::ALL_TO_ALL, ..three };
        let order: Vec<_> = by_success(&all).into_iter().map(|(class, _)| class).collect();
        assert_eq!(order, [2, 0, 1], "3 of 4 in class 0, none of 4 in the next classes of 0 and 1");
    }
}
