//! The checkpoints that runs stored. Those of a pre-training can be opened in Reconstruct and exported, those of a fine-tuning can be
//! evaluated; a probe's checkpoint is its head.

use leptos::prelude::*;
use shared::{RunKind, api::CheckpointInfo};

use super::export::ExportMenu;
use crate::{
    api,
    base::to,
    components::{Glyph, Icon, format},
};

/// The studies that occur, each once, in the order of their first checkpoint.
pub fn studies(checkpoints: &[CheckpointInfo]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for checkpoint in checkpoints {
        let id = checkpoint.study.to_string();
        if !found.iter().any(|(known, _)| *known == id) {
            found.push((id, checkpoint.study_name.clone()));
        }
    }
    found
}

/// The address that opens a checkpoint.
fn reconstruct_address(checkpoint: &CheckpointInfo) -> String {
    let run = checkpoint.run.to_string();
    to(format!("/reconstruct{}", api::query(&[("run", &run), ("file", &checkpoint.file)])))
}

/// The name of a run's checkpoint in addresses and on the command line.
pub fn named(checkpoint: &CheckpointInfo) -> String {
    format!("{}@{}", checkpoint.run, checkpoint.epoch)
}

/// The table.
#[component]
pub fn CheckpointTable(
    /// The checkpoints.
    checkpoints: Vec<CheckpointInfo>,
    /// Opens the form that evaluates the checkpoint of this name.
    evaluate: Callback<String>,
) -> impl IntoView {
    let now = js_sys::Date::now() as u64;
    let rows = checkpoints
        .into_iter()
        .map(|checkpoint| {
            let of = format!(
                "{}, epoch {} of {}",
                checkpoint.point.label(),
                checkpoint.epoch,
                checkpoint.study_name
            );
            let what = format!("Reconstruct with {of}");
            let pretrained = checkpoint.point.kind.makes_encoder();
            let export = pretrained.then(|| {
                let (path, epoch) = (format!("/runs/{}/export", checkpoint.run), checkpoint.epoch);
                let label = format!("Export {of}");
                view! { <ExportMenu path label epoch=Some(epoch)/> }
            });
            let open = pretrained.then(|| {
                view! {
                    <a class="button" href=reconstruct_address(&checkpoint) aria-label=what>
                        <Icon glyph=Glyph::Reconstruct/>
                        "Reconstruct"
                    </a>
                }
            });
            let point = checkpoint.point;
            let again = (point.kind == RunKind::Finetune || point.repairs).then(|| {
                let name = named(&checkpoint);
                let label = format!("Evaluate {of}");
                view! {
                    <button
                        type="button"
                        class="button"
                        aria-label=label
                        on:click=move |_| evaluate.run(name.clone())
                    >
                        "Evaluate"
                    </button>
                }
            });
            view! {
                <tr>
                    <th scope="row">
                        <a href=to(format!("/studies/{}", checkpoint.study))>{checkpoint.study_name}</a>
                    </th>
                    <td data-label="Run">{checkpoint.point.label()}</td>
                    <td class="number" data-label="Epoch">{checkpoint.epoch}</td>
                    <td data-label="File"><code>{checkpoint.file}</code></td>
                    <td class="number" data-label="Size">{format::bytes(checkpoint.bytes)}</td>
                    <td class="number muted" data-label="Stored">{format::ago(checkpoint.created_at, now)}</td>
                    <td><div class="row-actions">{export} {open} {again}</div></td>
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
                        <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::{RunId, RunState, StudyId, run::RunPoint};

    use super::*;

    fn checkpoint(study: u64, name: &str) -> CheckpointInfo {
        CheckpointInfo {
            run: RunId::from_parts(9, [1; 10]),
            study: StudyId::from_parts(study, [0; 10]),
            study_name: name.into(),
            point: RunPoint {
                kind: RunKind::Pretrain,
                ppr: 10,
                lpr: 0,
                seed: 1,
                scratch: false,
                implanted: false,
                repairs: false,
            },
            varied: BTreeMap::new(),
            state: RunState::Done,
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
