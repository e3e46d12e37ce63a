//! Evaluating a fine-tuned checkpoint again: a short form for data set, trigger, target and number of images, and the result.

mod choice;

use leptos::{ev, html, prelude::*, task::spawn_local};
use shared::{
    api::{CheckpointInfo, DatasetInfo, EvaluatedClassifier, Problem, StudyDetail},
    study::FieldError,
};

use self::choice::{Choice, Choices, request};
use super::table::named;

use crate::{
    api,
    components::{Fetched, ProblemBox, fetched, format::message_at},
    pages::study::EvaluationContent,
};

/// Fields of the form that show their own errors; those of the trigger appear at its drop-down.
const FIELDS: [&str; 5] =
    ["dataset", "attack.trigger.", "attack.target_class", "classes", "test_per_class"];

/// The panel of the checkpoint with this name, if it is one of these.
#[component]
pub fn EvaluateNamed(
    /// The checkpoints.
    all: Memo<Vec<CheckpointInfo>>,
    /// The name ([`named`]).
    name: Memo<Option<String>>,
    /// Closes the panel.
    close: Callback<()>,
) -> impl IntoView {
    let found = Memo::new(move |_| {
        let name = name.get()?;
        all.with(|all| all.iter().find(|checkpoint| named(checkpoint) == name).cloned())
    });
    move || found.get().map(|checkpoint| view! { <EvaluatePanel checkpoint close/> })
}

#[component]
fn EvaluatePanel(checkpoint: CheckpointInfo, close: Callback<()>) -> impl IntoView {
    let id = checkpoint.study;
    let study: Fetched<StudyDetail> = fetched(move || Some(format!("/studies/{id}")));
    let title = format!("Evaluate {}, epoch {}", checkpoint.point.label(), checkpoint.epoch);
    let section = NodeRef::<html::Section>::new();
    Effect::new(move |_| {
        if let Some(section) = section.get() {
            section.scroll_into_view();
        }
    });
    let form = move || match study.get() {
        None => view! { <p class="loading" role="status">"Loading the study…"</p> }.into_any(),
        Some(Err(problem)) => view! { <ProblemBox problem/> }.into_any(),
        Some(Ok(study)) => {
            let checkpoint = checkpoint.clone();
            view! { <EvaluateForm checkpoint study/> }.into_any()
        }
    };
    view! {
        <section class="panel" id="evaluate-checkpoint" aria-labelledby="evaluate-title" node_ref=section>
            <header class="panel-head">
                <h2 id="evaluate-title">{title}</h2>
                <button type="button" class="button button-quiet" on:click=move |_| close.run(())>
                    "Close"
                </button>
            </header>
            <div class="panel-body stack">{form}</div>
        </section>
    }
}

#[component]
fn EvaluateForm(checkpoint: CheckpointInfo, study: StudyDetail) -> impl IntoView {
    let datasets: Fetched<Vec<DatasetInfo>> = fetched(|| Some("/datasets".into()));
    let choice = RwSignal::new(Choice::default());
    let errors = RwSignal::new(Vec::<FieldError>::new());
    let problem = RwSignal::new(None::<Problem>);
    let answer = RwSignal::new(None::<EvaluatedClassifier>);
    let busy = RwSignal::new(false);
    let spec = study.spec.clone();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        problem.set(None);
        let body = match choice.with_untracked(|choice| request(&checkpoint, &spec, choice)) {
            Ok(body) => body,
            Err(wrong) => return errors.set(vec![wrong]),
        };
        errors.set(Vec::new());
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn_local(async move {
            match api::post::<EvaluatedClassifier>("/evaluations", &body).await {
                Ok(evaluated) => drop(answer.try_set(Some(evaluated))),
                Err(refused) => {
                    let at = |error: &FieldError| {
                        FIELDS
                            .iter()
                            .any(|field| message_at(std::slice::from_ref(error), field).is_some())
                    };
                    let at_fields = !refused.errors.is_empty() && refused.errors.iter().all(at);
                    errors.try_set(refused.errors.clone());
                    problem.try_set((!at_fields).then_some(refused));
                }
            }
            busy.try_set(false);
        });
    };
    let shown = move || {
        answer.get().map(|evaluated| {
            let assumed = evaluated
                .assumed
                .iter()
                .map(
                    |assumed| view! { <p class="small muted">{format!("Assumed: {assumed}.")}</p> },
                )
                .collect_view();
            let told = format!(
                "{} validation images of {}, trigger {}.",
                evaluated.evaluation.metrics.ca.total,
                evaluated.dataset,
                evaluated.trigger.label()
            );
            view! {
                <p class="small">{told}</p>
                {assumed}
                <EvaluationContent evaluation=evaluated.evaluation names=evaluated.classes/>
            }
        })
    };
    view! {
        <form class="import-form" on:submit=submit novalidate>
            <Choices choice errors datasets study/>
            <button type="submit" class="button button-main" id="evaluate" disabled=move || busy.get()>
                {move || if busy.get() { "Evaluating…" } else { "Evaluate" }}
            </button>
            {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
        </form>
        {shown}
    }
}
