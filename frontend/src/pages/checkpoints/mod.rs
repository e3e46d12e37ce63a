//! The page "Checkpoints": what runs stored, what was imported, and a form to import more.
//!
//! Address: `?study=` keeps the runs' checkpoints to one study, `?evaluate=RUN@EPOCH` opens the form that evaluates one.

mod evaluate;
mod export;
mod import_form;
mod imported;
mod table;

use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::api::{CheckpointInfo, ImportedCheckpoint, Problem};

use self::{
    evaluate::EvaluateNamed,
    import_form::ImportForm,
    imported::ImportedTable,
    table::{CheckpointTable, studies},
};
use crate::{
    api,
    base::to,
    components::{Fetched, Glyph, Icon, ProblemBox, fetched, format},
    frame::{Crumb, set_place},
};

/// The page.
#[component]
pub fn CheckpointsPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Checkpoints")]);
    let options = || NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (study, set_study) = query_signal_with_options::<String>("study", options());
    let (evaluate, set_evaluate) = query_signal_with_options::<String>("evaluate", options());
    let checkpoints: Fetched<Vec<CheckpointInfo>> = fetched(|| Some("/checkpoints".into()));
    let all = Memo::new(move |_| checkpoints.value().unwrap_or_default());
    let shown = move || {
        let study = study.get();
        let mut shown = all.get();
        shown.retain(|checkpoint| {
            study.as_ref().is_none_or(|id| checkpoint.study.to_string() == *id)
        });
        shown
    };
    let choices = move || {
        let chosen = study.get();
        all.with(|all| studies(all))
            .into_iter()
            .map(|(id, name)| {
                let here = chosen.as_ref() == Some(&id);
                view! { <option value=id selected=here>{name}</option> }
            })
            .collect_view()
    };
    let open = Callback::new(move |name: String| set_evaluate.set(Some(name)));
    let imports: Fetched<Vec<ImportedCheckpoint>> =
        fetched(|| Some("/checkpoints/imported".into()));
    let imported = Memo::new(move |_| imports.value().unwrap_or_default());
    let problem = RwSignal::new(None::<Problem>);
    let added = Callback::new(move |_: ImportedCheckpoint| imports.refetch());
    let remove = Callback::new(move |name: String| {
        problem.set(None);
        spawn_local(async move {
            match api::delete(format!("/checkpoints/imported/{}", api::escape(&name))).await {
                Ok(()) => imports.refetch(),
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    });
    let body = move || {
        match checkpoints.get() {
        None => view! { <p class="loading" role="status">"Loading the checkpoints…"</p> }.into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| checkpoints.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(found)) if found.is_empty() => view! {
            <section class="empty">
                <Icon glyph=Glyph::Checkpoints/>
                <h2>"No checkpoints yet"</h2>
                <p>"Pre-training stores one every few epochs. Start a study and look inside its encoder while it learns."</p>
                <p><a class="button button-main" href=to("/studies/new")>"New study"</a></p>
            </section>
        }
        .into_any(),
        Some(Ok(_)) => view! { <CheckpointTable checkpoints=shown() evaluate=open/> }.into_any(),
    }
    };
    let total = move || {
        let shown = shown();
        let bytes = shown.iter().map(|checkpoint| checkpoint.bytes).sum();
        format!("{}, {}", format::things(shown.len() as u64, "file", "files"), format::bytes(bytes))
    };
    view! {
        <header class="page-head">
            <div>
                <h1>"Checkpoints"</h1>
                <p>{total}</p>
            </div>
            <Show when=move || all.with(|all| !all.is_empty())>
                <div class="page-actions">
                    <label class="inline-field">
                        "Study"
                        <span class="select">
                            <select
                                id="checkpoint-study"
                                on:change=move |event: ev::Event| {
                                    let id = event_target_value(&event);
                                    set_study.set((!id.is_empty()).then_some(id));
                                }
                            >
                                <option value="">"all"</option>
                                {choices}
                            </select>
                        </span>
                    </label>
                </div>
            </Show>
        </header>
        {body}
        <EvaluateNamed all name=evaluate close=Callback::new(move |()| set_evaluate.set(None))/>
        {move || imports.problem().or_else(|| problem.get()).map(|problem| view! { <ProblemBox problem/> })}
        <Show when=move || imported.with(|all| !all.is_empty())>
            <ImportedTable checkpoints=imported remove/>
        </Show>
        <ImportForm added/>
    }
}
