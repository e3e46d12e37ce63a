//! The page of one study: its answer, lineage and results, figures; then the selected run: curves, evaluation, poisons, log, manifest.
//!
//! Address: `/studies/ID`; `?run=` names the selected run, `?curve=` the tab of its chart, `?published=true` shows the
//! published series.

mod curves;
mod evaluation;
mod figures;
mod fold;
mod head;
mod lineage;
mod manage;
mod poison;
mod poison_list;
mod record;
mod results;
mod run;
mod sentence;
mod trace;
mod verdict;

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{query_signal_with_options, use_params_map},
};
use shared::{
    Progress, RunId, StudyId,
    api::{LiveEvent, RunRow, StudyDetail},
};

use crate::{
    api,
    components::{Fetched, ProblemBox, fetched},
    frame::{Crumb, set_place},
    live,
};
pub(super) use evaluation::EvaluationContent;
use fold::{Folded, default_run, fold, merged};
pub(super) use poison::limits;
pub(super) use results::ShareCell;
use trace::Follow;

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
            <p><a class="button button-main" href="/">"All studies"</a></p>
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
            let named = named.get().and_then(|text| text.parse::<RunId>().ok());
            named.filter(|id| runs.iter().any(|run| run.id == *id)).or_else(|| default_run(runs))
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
    let planned = Memo::new(move |_| {
        run.with(|run| run.as_ref().filter(|run| run.progress.epochs > 0).map(|run| run.id))
    });
    let recorded = Memo::new(move |_| {
        run.with(|run| run.as_ref().filter(|run| run.progress.step > 0).map(|run| run.id))
    });
    let start =
        Memo::new(move |_| still.with(|run| run.as_ref().map(|run| (run.id, run.started_at))));
    let follow = Follow::new(start);

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
            <verdict::VerdictPanel study/>
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
                    <results::Results study selected/>
                </section>
            </div>
            <section class="panel">
                <div class="panel-head"><h2>"Figures"</h2></div>
                <div class="panel-body"><figures::Figures study pick/></div>
            </section>
            <run::RunPanel run still trace=follow.trace() changed/>
            <evaluation::EvaluationPanel study run=still/>
            <div class="study-halves">
                <section class="panel">
                    <div class="panel-head"><h2>"Poisoned images of the selected run"</h2></div>
                    <div class="panel-body stack"><poison::PoisonedImages study begun=planned/></div>
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
