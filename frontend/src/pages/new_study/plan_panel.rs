//! What will run, about how long it takes, and the button that starts it.

use gloo_timers::future::TimeoutFuture;
use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::api::{DatasetInfo, DeviceInfo, PlannedRun, Problem, StudyDetail, StudyPlan};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::{
    axes_panel::axis_id,
    device_field::DeviceField,
    draft::Draft,
    plan_matrix::{Matrix, PlanMatrix},
};
use crate::{
    api,
    base::to,
    components::{Glyph, Icon, ProblemBox, format},
    pages::estimate,
    run_name::{label, run_name},
};

/// Milliseconds without a change after which the plan is requested.
const REST: u32 = 300;

/// A pre-training, or a run without one, and the runs that start from it.
type Family = (PlannedRun, Vec<PlannedRun>);

/// The runs of a plan with those that start from them.
fn families(plan: &StudyPlan) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for run in &plan.runs {
        let root = run.start();
        let known = families.iter_mut().find(|(first, _)| Some(&first.digest) == root);
        match known {
            Some((_, others)) => others.push(run.clone()),
            None => families.push((run.clone(), Vec::new())),
        }
    }
    families
}

/// `4 of 12 runs already exist; 8 to run: about 3 min on an idle machine, 20 MB on disk`.
fn plan_text(plan: &StudyPlan) -> String {
    let made = plan.runs.iter().filter(|run| run.is_to_run()).count();
    let reused = plan.runs.len() - made;
    let on_gpus = plan.gpu_memory.map_or_else(String::new, |needed| {
        format!(", at most {} of a GPU's memory", format::bytes(needed as u64))
    });
    let cost = format!(
        "about {} {}, {} on disk{on_gpus}",
        format::duration(plan.seconds),
        if plan.is_paced { "at the pace of earlier runs" } else { "on an idle machine" },
        format::bytes(plan.bytes as u64)
    );
    if let Some(error) = plan.refused.first() {
        return format!("This machine cannot run it. {error}");
    }
    match (reused, made) {
        (0, made) => format!("{}: {cost}", format::things(made as u64, "run", "runs")),
        (reused, 0) => format!("all {reused} runs already exist and are reused"),
        (reused, made) => {
            format!("{reused} of {} runs already exist; {made} to run: {cost}", reused + made)
        }
    }
}

/// Whether a path belongs to the training panel, whose fields may be hidden.
fn is_training(path: &str) -> bool {
    let hidden = ["model.", "pretrain.", "probe.", "finetune."];
    hidden.iter().any(|part| path.starts_with(part)) && !path.ends_with(".poisons")
}

/// `2 fields need attention`.
fn attention(count: usize) -> String {
    if count == 1 {
        "1 field needs attention".into()
    } else {
        format!("{count} fields need attention")
    }
}

/// The panel.
#[component]
pub fn PlanPanel(
    /// Devices that can train.
    devices: Signal<Vec<DeviceInfo>>,
    /// Whether the fields of the training are shown; opened when one of them is wrong.
    training_open: RwSignal<bool>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let navigate = use_navigate();
    let busy = RwSignal::new(false);
    let fresh = RwSignal::new(false);
    let plan = planned(draft, fresh);
    let problem = RwSignal::new(None::<Problem>);
    let show = move |path: String| {
        if is_training(&path) {
            training_open.set(true);
        }
        // The fields of the training exist after the next frame.
        request_animation_frame(move || focus(&path));
    };
    let start = move |_| {
        if busy.get_untracked() {
            return;
        }
        if let Some(first) = draft.errors.with_untracked(|errors| errors.first().cloned()) {
            show(first.field);
            return;
        }
        busy.set(true);
        problem.set(None);
        let navigate = navigate.clone();
        let spec = draft.spec.get_untracked();
        spawn_local(async move {
            let path = format!("/studies?fresh={}", fresh.get_untracked());
            match api::post::<StudyDetail>(path, &spec).await {
                Ok(study) => {
                    super::keep::forget();
                    navigate(&to(format!("/studies/{}", study.id)), NavigateOptions::default());
                }
                Err(refused) => {
                    // Errors at fields are listed already.
                    draft.refuse(refused.errors.clone());
                    problem.try_set(refused.errors.is_empty().then_some(refused));
                }
            }
            busy.try_set(false);
        });
    };
    let runs = draft.part(estimate::runs_text);
    let poisons = move || {
        let lines = draft.dataset.with(|set| {
            let none = DatasetInfo::default();
            draft.spec.with(|spec| estimate::poison_lines(spec, set.as_ref().unwrap_or(&none)))
        });
        lines
            .into_iter()
            .map(|(count, images)| view! { <li><span>{count}</span><span>{images}</span></li> })
            .collect_view()
    };
    // The server knows which runs already exist; until it answers, the page shows the time for all runs.
    let time = move || {
        if let Some(plan) = plan.with(|plan| plan.as_ref().map(plan_text)) {
            return Some(plan);
        }
        draft.dataset.with(|set| {
            let set = set.as_ref()?;
            devices.with(|devices| draft.spec.with(|spec| estimate::time_text(spec, set, devices)))
        })
    };
    view! {
        <section class="panel plan" aria-labelledby="plan-title">
            <header class="panel-head">
                <h2 id="plan-title">"What will run"</h2>
            </header>
            <div class="panel-body plan-body">
                <div class="plan-facts">
                    <p class="plan-runs" id="plan-runs">{runs}</p>
                    <p class="muted" id="plan-time">
                        {move || time().unwrap_or_else(|| "The time is estimated once all fields are valid.".into())}
                    </p>
                    <ul class="plan-poisons" aria-label="Images that each kind of run poisons">{poisons}</ul>
                    <DeviceField devices/>
                    <label class="plan-fresh">
                        <input
                            type="checkbox"
                            id="plan-fresh"
                            prop:checked=move || fresh.get()
                            on:change=move |event: ev::Event| fresh.set(event_target_checked(&event))
                        />
                        "Run existing runs again"
                    </label>
                    {move || plan.get().map(|plan| view! { <Runs plan/> })}
                </div>
                <div class="plan-start">
                    <button
                        type="button"
                        class="button button-main button-large"
                        id="start"
                        aria-disabled=move || (busy.get() || !draft.errors.with(Vec::is_empty)).to_string()
                        on:click=start
                    >
                        <Icon glyph=Glyph::Play/>
                        {move || if busy.get() { "Starting…" } else { "Start" }}
                    </button>
                </div>
                <WrongFields show=Callback::new(show)/>
                {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            </div>
        </section>
    }
}

/// The plan of the current draft, requested after a pause in the changes; none while the draft has errors.
fn planned(draft: Draft, fresh: RwSignal<bool>) -> RwSignal<Option<StudyPlan>> {
    let plan = RwSignal::new(None);
    // Counts the changes, so that an answer that a later change outdated is dropped.
    let asked = StoredValue::new(0u64);
    Effect::new(move |_| {
        let (spec, fresh) = (draft.spec.get(), fresh.get());
        let sound = draft.errors.with(Vec::is_empty);
        let mine = asked.get_value() + 1;
        asked.set_value(mine);
        if !sound {
            plan.set(None);
            return;
        }
        spawn_local(async move {
            TimeoutFuture::new(REST).await;
            if asked.try_get_value() != Some(mine) {
                return;
            }
            let answer = api::post::<StudyPlan>(format!("/plans?fresh={fresh}"), &spec).await;
            if asked.try_get_value() == Some(mine) {
                plan.try_set(answer.ok());
            }
        });
    });
    plan
}

/// The runs as a matrix, where they make one, and as a list.
#[component]
fn Runs(plan: StudyPlan) -> impl IntoView {
    let matrix = Matrix::of(&plan).map(|matrix| view! { <PlanMatrix matrix/> });
    view! {
        {matrix}
        <Lineage plan/>
    }
}

/// The runs with those that start from them, on demand.
#[component]
fn Lineage(plan: StudyPlan) -> impl IntoView {
    let seeds = plan.runs.iter().any(|run| run.point.seed != plan.runs[0].point.seed);
    let line = move |run: &PlannedRun, root: Option<&PlannedRun>| {
        let name = run_name(run.point, &run.varied, root.map(|root| &root.varied), seeds);
        let poisoned = match run.poisoned {
            0 => "no poison".to_owned(),
            many => format!("{} poisoned", format::things(many.into(), "image", "images")),
        };
        let told = match &run.reused {
            Some(known) if run.is_to_run() => {
                let time = format::duration(run.seconds);
                format!("{}, in {}; continues: {time}", known.state, known.study_name)
            }
            Some(known) => format!("{}, in {}", known.state, known.study_name),
            None => format::duration(run.seconds),
        };
        view! {
            <span class="plan-run" class:plan-reused=!run.is_to_run()>
                <span>{name}</span>
                <span class="muted">{poisoned}</span>
                <span class="muted">{told}</span>
            </span>
        }
    };
    let rows = families(&plan)
        .into_iter()
        .map(|(root, others)| {
            let own = line(&root, None);
            let below =
                others.iter().map(|run| view! { <li>{line(run, Some(&root))}</li> }).collect_view();
            view! { <li>{own}<ul>{below}</ul></li> }
        })
        .collect_view();
    view! {
        <details class="plan-lineage">
            <summary>{format!("All {}", format::things(plan.runs.len() as u64, "run", "runs"))}</summary>
            <ul>{rows}</ul>
        </details>
    }
}

/// All errors, each linked to its field.
#[component]
fn WrongFields(
    /// Brings the field at a path into view.
    show: Callback<String>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    move || {
        let errors = draft.errors.get();
        let count = errors.len();
        let rows = errors
            .into_iter()
            .map(|error| {
                let text = format!("{}: {}", label(&error.field), error.message);
                let lead = move |_| show.run(error.field.clone());
                view! {
                    <li><button type="button" class="link" on:click=lead>{text}</button></li>
                }
            })
            .collect_view();
        (count > 0).then(|| {
            view! {
                <div class="plan-wrong" role="status">
                    <p><Icon glyph=Glyph::Alert/>{attention(count)}</p>
                    <ul>{rows}</ul>
                </div>
            }
        })
    }
}

/// Brings a field into view and puts the cursor there. The path may name the control or an element around it.
fn focus(path: &str) {
    let axis = path.strip_prefix("axes.");
    let path = axis.unwrap_or(path);
    let by_id = |id: String| document().get_element_by_id(&id);
    let by_id =
        axis.and_then(|name| by_id(axis_id(name))).or_else(|| by_id(path.replace('.', "-")));
    let field = || {
        let parent = path.rsplit_once('.').map_or(path, |(parent, _)| parent);
        document()
            .query_selector(&format!("[data-field='{path}'], [data-field='{parent}']"))
            .ok()
            .flatten()
    };
    let Some(element) = by_id.or_else(field) else { return };
    element.scroll_into_view();
    if let Some(element) = element.dyn_ref::<HtmlElement>() {
        // An element that cannot be focused was still brought into view.
        let _ = element.focus();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_are_known_by_their_path() {
        assert!(is_training("probe.epochs") && is_training("model.encoder.dim"));
        assert!(!is_training("attack.trigger.ratio") && !is_training("pretrain.poisons"));
        assert_eq!(
            [attention(1), attention(3)],
            ["1 field needs attention", "3 fields need attention"]
        );
    }

    #[test]
    fn a_plan_is_told_by_what_is_left_to_do() {
        let spec = &shared::study::presets()[0].spec;
        let graph =
            shared::study::Graph::of(spec, &shared::study::Content::default()).expect("sound");
        let run = |node: &shared::study::Node| PlannedRun {
            kind: node.kind,
            digest: node.digest.clone(),
            point: shared::run::RunPoint::of(node.kind, &node.settings),
            settings: node.described(),
            varied: node.described(),
            inputs: node.inputs.iter().map(|&at| graph.nodes[at].digest.clone()).collect(),
            restorer: node.restorer.map(|at| graph.nodes[at].digest.clone()),
            reused: None,
            poisoned: 0,
            seconds: 60.0,
            bytes: 1e6,
            memory: 1e8,
        };
        let runs: Vec<PlannedRun> = graph.nodes.iter().map(run).collect();
        let count = runs.len();
        let plan =
            StudyPlan { seconds: 60.0 * count as f64, bytes: 1e6, runs, ..StudyPlan::default() };
        assert!(
            plan_text(&plan).starts_with(&format!("{count} runs: about ")),
            "{}",
            plan_text(&plan)
        );
        let on_gpus = StudyPlan { gpu_memory: Some(14e9), ..plan.clone() };
        assert!(plan_text(&on_gpus).ends_with("on disk, at most 14.0 GB of a GPU's memory"));
        let families = families(&plan);
        assert_eq!(families.len(), graph.count(shared::RunKind::Pretrain));
        assert_eq!(families.iter().map(|(_, others)| others.len() + 1).sum::<usize>(), count);
    }
}
