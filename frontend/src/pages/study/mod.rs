//! The page of one study: its answer, lineage and results, figures; then the selected run: curves, judged images, evaluation, poisons, log, manifest.
//!
//! Address: `/studies/ID`; `?run=` names the selected run, `?over=true` draws the curves of all runs of its kind, `?published=true`
//! shows the published series; [`crate::curves`] has what chooses a curve.

mod defences;
mod evaluation;
mod figures;
mod fold;
mod gallery;
mod head;
mod inside;
mod lineage;
mod manage;
mod poison;
mod poison_list;
mod record;
mod results;
mod run;
mod sentence;
mod strips;
mod verdict;
mod why;

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{query_signal_with_options, use_params_map},
};
use shared::{
    Progress, RunId, RunState, StudyId,
    api::{LiveEvent, PairedRuns, RunRow, StudyDetail},
    verdict::Pairs,
};

use crate::{
    api,
    base::to,
    components::{ChipButton, Fetched, ProblemBox, fetched},
    curves::{Curves, Follow, Line},
    frame::{Crumb, set_place},
    live,
};
pub(super) use evaluation::EvaluationContent;
use fold::{Folded, default_run, fold, merged};
pub(super) use results::ShareCell;

/// The page.
#[component]
pub fn StudyPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    move || match id.get().parse::<StudyId>() {
        Ok(id) => view! { <StudyView id/> }.into_any(),
        Err(_) => view! { <NoStudy/> }.into_any(),
    }
}

#[component]
fn NoStudy() -> impl IntoView {
    set_place(|| vec![Crumb::link("Studies", "/"), Crumb::here("No such study")]);
    view! {
        <section class="empty">
            <h1>"No such study"</h1>
            <p>"No study has this address. It was deleted, or the address was copied incompletely."</p>
            <p><a class="button button-main" href=to("/")>"All studies"</a></p>
        </section>
    }
}

#[component]
fn StudyView(id: StudyId) -> impl IntoView {
    let answer: Fetched<StudyDetail> = fetched(move || Some(format!("/studies/{id}")));
    let kept = RwSignal::new(None::<StudyDetail>);
    Effect::new(move |_| {
        if let Some(new) = answer.value() {
            kept.update(|old| *old = Some(merged(old.take(), new)));
        }
    });
    let study = Memo::new(move |_| kept.get());
    set_place(move || {
        let name = study.with(|study| study.as_ref().map(|study| study.spec.name.clone()));
        vec![Crumb::link("Studies", "/"), Crumb::here(name.unwrap_or_else(|| "Study".into()))]
    });

    let options = || NavigateOptions { scroll: false, ..NavigateOptions::default() };
    let (named, select) = query_signal_with_options::<String>("run", options());
    let selected = Memo::new(move |_| {
        study.with(|study| {
            let runs = study.as_ref().map_or(&[][..], |study| &study.runs);
            let classes = study.as_ref().map_or(0, |study| study.classes.len());
            let named = named.get().and_then(|text| text.parse::<RunId>().ok());
            named
                .filter(|id| runs.iter().any(|run| run.id == *id))
                .or_else(|| default_run(runs, classes))
        })
    });
    let run = Memo::new(move |_| {
        let selected = selected.get()?;
        study.with(|study| study.as_ref()?.runs.iter().find(|run| run.id == selected).cloned())
    });
    // What changes with each step is left out, so that most of the page is not redrawn while a run is in progress.
    let still =
        Memo::new(move |_| run.get().map(|run| RunRow { progress: Progress::default(), ..run }));
    // The plan is stored before a run reports its start, the manifest before its first step.
    // A defence has neither epochs nor steps.
    let once = move |begun: fn(&Progress) -> bool| {
        Memo::new(move |_| {
            let known = |run: &&RunRow| run.state == RunState::Done || begun(&run.progress);
            run.with(|run| run.as_ref().filter(known).map(|run| run.id))
        })
    };
    let planned = once(|progress| progress.epochs > 0);
    let recorded = once(|progress| progress.step > 0);
    let (over, set_over) = query_signal_with_options::<bool>("over", options());
    let over = Memo::new(move |_| over.get().unwrap_or(false));
    let lines = Memo::new(move |_| {
        let runs = |study: &Option<StudyDetail>| {
            let runs = study.as_ref().map_or(&[][..], |study| &study.runs);
            still.with(|run| lines(run.as_ref(), runs, over.get()))
        };
        study.with(runs)
    });
    let started = Memo::new(move |_| {
        let runs = lines.get();
        study.with(|study| {
            let all = study.iter().flat_map(|study| &study.runs);
            all.filter(|run| runs.iter().any(|line| line.run == run.id))
                .map(|run| (run.id, run.started_at))
                .collect::<Vec<_>>()
        })
    });
    let follow = Follow::new(started);

    let begun = move || {
        answer.refetch();
        follow.catch_up();
    };
    let each = move |event: LiveEvent| {
        let folded = kept.try_update(|study| study.as_mut().map(|study| fold(study, &event)));
        follow.take(&event);
        if folded.flatten() == Some(Folded::Stale) {
            answer.refetch();
        }
    };
    let link = live::follow(api::address(format!("/events?study={id}")), begun, each);

    let pairs = known_pairs(id, study);
    let pick = Callback::new(move |run: String| select.set(Some(run)));
    let loaded = Memo::new(move |_| study.with(Option::is_some));
    let replaced = Callback::new(move |study: StudyDetail| answer.set(study));
    let changed = Callback::new(move |()| answer.refetch());
    let waiting = move || match answer.problem() {
        Some(problem) if problem.status == 404 => view! { <NoStudy/> }.into_any(),
        Some(problem) => {
            let retry = Callback::new(move |()| answer.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        None => view! { <p class="loading" role="status">"Loading the study…"</p> }.into_any(),
    };
    view! {
        <Show when=move || loaded.get() fallback=waiting>
            <head::Head id study link changed=replaced/>
            <verdict::VerdictPanel study pairs/>
            <div class="study-columns">
                <section class="panel study-lineage">
                    <div class="panel-head"><h2>"Lineage"</h2></div>
                    <lineage::Lineage study selected/>
                </section>
                <section class="panel study-results">
                    <div class="panel-head">
                        <h2>"Results"</h2>
                        <span class="muted small">{results::note(study)}</span>
                    </div>
                    <results::Results study selected pairs/>
                </section>
            </div>
            <figures::Figures study pick/>
            <defences::DefencePanel study/>
            <defences::EncoderPanel study/>
            <run::RunPanel run still changed>
                <defences::JudgedFigures run/>
                <Curves lines traces=follow.traces() pick>
                    <OverlayChip study run=still over set_over/>
                </Curves>
            </run::RunPanel>
            <gallery::Gallery study run/>
            <strips::Strips study run/>
            <why::Why study run=still/>
            <evaluation::EvaluationPanel study run=still/>
            <inside::InsidePanel study run/>
            <div class="study-halves">
                <section class="panel">
                    <div class="panel-head"><h2>"Poisoned images of the selected run"</h2></div>
                    <div class="panel-body stack"><poison::PoisonedImages study run=still begun=planned/></div>
                </section>
                <section class="panel">
                    <div class="panel-head"><h2>"Log of the selected run"</h2></div>
                    <div class="panel-body stack"><record::Log run=still/></div>
                </section>
            </div>
            <record::Manifest run=recorded/>
        </Show>
    }
}

/// What is known of the study's classifiers image by image; fetched again whenever one has finished.
fn known_pairs(id: StudyId, study: Memo<Option<StudyDetail>>) -> Memo<Pairs> {
    let finished = Memo::new(move |_| {
        study.with(|study| {
            let runs = study.iter().flat_map(|study| &study.runs);
            runs.filter(|run| run.metrics.is_some() && run.state == RunState::Done).count()
        })
    });
    let answer: Fetched<Vec<PairedRuns>> =
        fetched(move || (finished.get() > 1).then(|| format!("/studies/{id}/pairs")));
    Memo::new(move |_| Pairs::from(&answer.value().unwrap_or_default()[..]))
}

/// Curves in one figure at most.
const MOST_LINES: usize = 12;

/// The runs whose curves are drawn: the selected one, with others of its kind that have begun where all are asked for.
fn lines(selected: Option<&RunRow>, runs: &[RunRow], over: bool) -> Vec<Line> {
    let Some(selected) = selected else { return Vec::new() };
    let others = runs.iter().filter(|run| {
        over && run.id != selected.id
            && run.point.kind == selected.point.kind
            && run.started_at.is_some()
    });
    let line = |run: &RunRow| Line { run: run.id, kind: run.point.kind, label: run.label() };
    std::iter::once(selected).chain(others).take(MOST_LINES).map(line).collect()
}

/// Draws the curves of all runs of the selected run's kind, where there are several.
#[component]
fn OverlayChip(
    study: Memo<Option<StudyDetail>>,
    run: Memo<Option<RunRow>>,
    over: Memo<bool>,
    set_over: SignalSetter<Option<bool>>,
) -> impl IntoView {
    let many = Memo::new(move |_| {
        let kind = run.with(|run| run.as_ref().map(|run| run.point.kind));
        study.with(|study| {
            let runs = study.iter().flat_map(|study| &study.runs);
            runs.filter(|run| Some(run.point.kind) == kind).count() > 1
        })
    });
    view! {
        <Show when=move || many.get()>
            <ChipButton
                label="All runs of this kind"
                title="Draw the curves of all runs of this kind over each other, at most 12"
                on=over
                toggle=Callback::new(move |()| {
                    set_over.set((!over.get_untracked()).then_some(true));
                })
            />
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use shared::{RunKind, study::presets};

    use super::*;

    #[test]
    fn curves_of_one_kind_lie_over_each_other() {
        let mut runs = crate::fixture::study(presets()[0].spec.clone()).runs;
        let probe = |run: &&RunRow| run.point.kind == RunKind::Probe;
        let selected = runs.iter().find(probe).expect("a probe").clone();
        assert_eq!(lines(Some(&selected), &runs, false).len(), 1);
        assert_eq!(lines(Some(&selected), &runs, true).len(), 1, "no other has begun");
        for run in &mut runs {
            run.started_at = Some(1);
        }
        let over = lines(Some(&selected), &runs, true);
        assert_eq!(over.len(), runs.iter().filter(probe).count().min(MOST_LINES));
        assert_eq!(over[0].run, selected.id);
        assert!(over.iter().all(|line| line.kind == RunKind::Probe));
        assert!(lines(None, &runs, true).is_empty());
    }
}
