//! The page "Checkpoints": what runs stored. Those of a pre-training can be opened in Reconstruct; a probe's is its head.
//!
//! Address: `?study=` keeps to one study.

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{Phase, api::CheckpointInfo};

use crate::{
    api,
    components::{Fetched, Glyph, Icon, ProblemBox, fetched, format},
    frame::{Crumb, set_place},
};

/// The studies that occur, each once, in the order of their first checkpoint.
fn studies(checkpoints: &[CheckpointInfo]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for checkpoint in checkpoints {
        let id = checkpoint.study.to_string();
        if !found.iter().any(|(known, _)| *known == id) {
            found.push((id, checkpoint.study_name.clone()));
        }
    }
    found
}

/// Where a checkpoint is opened.
fn reconstruct_address(checkpoint: &CheckpointInfo) -> String {
    let run = checkpoint.run.to_string();
    format!("/reconstruct{}", api::query(&[("run", &run), ("file", &checkpoint.file)]))
}

/// The page.
#[component]
pub fn CheckpointsPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Checkpoints")]);
    let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (study, set_study) = query_signal_with_options::<String>("study", options);
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
                <h2>"No checkpoint yet"</h2>
                <p>"A pre-training stores one every few epochs. Start a study, and look inside its encoder while it learns."</p>
                <p><a class="button button-main" href="/studies/new">"New study"</a></p>
            </section>
        }
        .into_any(),
        Some(Ok(_)) => view! { <CheckpointTable checkpoints=shown()/> }.into_any(),
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
    }
}

#[component]
fn CheckpointTable(checkpoints: Vec<CheckpointInfo>) -> impl IntoView {
    let now = js_sys::Date::now() as u64;
    let rows = checkpoints
        .into_iter()
        .map(|checkpoint| {
            let what = format!("Reconstruct with {} of {}", checkpoint.file, checkpoint.study_name);
            let open = (checkpoint.point.phase == Phase::Pretrain).then(|| {
                view! {
                    <a class="button" href=reconstruct_address(&checkpoint) aria-label=what>
                        <Icon glyph=Glyph::Reconstruct/>
                        "Reconstruct"
                    </a>
                }
            });
            view! {
                <tr>
                    <th scope="row">
                        <a href=format!("/studies/{}", checkpoint.study)>{checkpoint.study_name}</a>
                    </th>
                    <td data-label="Run">{checkpoint.point.label()}</td>
                    <td class="number" data-label="Epoch">{checkpoint.epoch}</td>
                    <td data-label="File"><code>{checkpoint.file}</code></td>
                    <td class="number" data-label="Size">{format::bytes(checkpoint.bytes)}</td>
                    <td class="number muted" data-label="Stored">{format::ago(checkpoint.created_at, now)}</td>
                    <td class="number">{open}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-box">
            <table class="table table-cards">
                <thead>
                    <tr>
                        <th scope="col">"Study"</th>
                        <th scope="col">"Run"</th>
                        <th scope="col" class="number">"Epoch"</th>
                        <th scope="col">"File"</th>
                        <th scope="col" class="number">"Size"</th>
                        <th scope="col" class="number">"Stored"</th>
                        <th scope="col"><span class="visually-hidden">"Open"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use shared::{RunId, StudyId, run::RunPoint};

    use super::*;

    fn checkpoint(study: u64, name: &str) -> CheckpointInfo {
        CheckpointInfo {
            run: RunId::from_parts(9, [1; 10]),
            study: StudyId::from_parts(study, [0; 10]),
            study_name: name.into(),
            point: RunPoint { phase: Phase::Pretrain, ppr: 10, lpr: 0, seed: 1, scratch: false },
            file: "checkpoint 10.safetensors".into(),
            epoch: 10,
            bytes: 1,
            created_at: 0,
        }
    }

    #[test]
    fn each_study_is_named_once() {
        let found = studies(&[checkpoint(1, "a"), checkpoint(2, "b"), checkpoint(1, "a")]);
        let names: Vec<_> = found.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_checkpoint_is_opened_by_run_and_file() {
        let one = checkpoint(1, "a");
        let expected = format!("/reconstruct?run={}&file=checkpoint%2010.safetensors", one.run);
        assert_eq!(reconstruct_address(&one), expected);
    }
}
