//! What will run, about how long it takes, and the button that starts it.

use leptos::{prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::api::{DeviceInfo, Problem, StudyDetail};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::{draft::Draft, labels::label};
use crate::{
    api,
    components::{Glyph, Icon, ProblemBox},
    pages::estimate,
};

/// The part of a path that names a panel with hidden fields.
fn is_training(path: &str) -> bool {
    ["model.", "pretrain.", "probe.", "finetune."].iter().any(|part| path.starts_with(part))
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
    let problem = RwSignal::new(None::<Problem>);
    let show = move |path: String| {
        if is_training(&path) {
            training_open.set(true);
        }
        // The fields of the training are there after the next frame.
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
            match api::post::<StudyDetail>("/studies", &spec).await {
                Ok(study) => {
                    navigate(&format!("/studies/{}", study.id), NavigateOptions::default());
                }
                Err(refused) => {
                    // What stands at a field is listed already.
                    draft.refuse(refused.errors.clone());
                    problem.try_set(refused.errors.is_empty().then_some(refused));
                }
            }
            busy.try_set(false);
        });
    };
    let runs = draft.part(estimate::runs_text);
    let poisons = move || {
        let classes =
            draft.dataset.with(|set| set.as_ref().map_or(0, |set| set.classes.len() as u32));
        let lines = draft.spec.with(|spec| estimate::poison_lines(spec, classes));
        lines
            .into_iter()
            .map(|(count, images)| view! { <li><span>{count}</span><span>{images}</span></li> })
            .collect_view()
    };
    let time = move || {
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
                        {move || time().unwrap_or_else(|| "The time is told when the fields are sound.".into())}
                    </p>
                    <ul class="plan-poisons" aria-label="Images that each phase poisons">{poisons}</ul>
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

/// All errors, each leading to its field.
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

/// Brings a field into view and puts the cursor there. Its control may be named by the path or lie in what is.
fn focus(path: &str) {
    let by_id = document().get_element_by_id(&path.replace('.', "-"));
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
        assert!(!is_training("attack.trigger.ratio") && !is_training("grid.ppr"));
        assert_eq!(
            [attention(1), attention(3)],
            ["1 field needs attention", "3 fields need attention"]
        );
    }
}
