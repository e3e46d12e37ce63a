//! What moves and holds the runs that wait: buttons, keys, and drags of rows.

use leptos::{ev, prelude::*, task::spawn_local};
use serde::de::IgnoredAny;
use shared::{
    RunId, RunState,
    api::{Problem, QueueInfo, QueueMove, RunRow},
};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::reorder::{Step, dropped, place_in_words, study_first};
use crate::{
    api,
    components::{Glyph, Icon},
};

/// The order of the queue, and what changes it.
#[derive(Clone, Copy)]
pub struct Order {
    jobs: Signal<Vec<RunRow>>,
    /// The runs that wait, in order.
    waiting: Memo<Vec<RunId>>,
    problem: RwSignal<Option<Problem>>,
    refetch: Callback<()>,
    /// The run that is dragged, and the one that it is over.
    dragged: RwSignal<Option<RunId>>,
    over: RwSignal<Option<RunId>>,
    /// What a screen reader announces.
    said: RwSignal<String>,
    /// The button that keeps the focus when its row has moved.
    focus: RwSignal<Option<String>>,
}

impl Order {
    /// The order of what waits among these jobs. `refetch` is called after a change.
    pub fn new(
        jobs: Signal<Vec<RunRow>>,
        problem: RwSignal<Option<Problem>>,
        refetch: Callback<()>,
    ) -> Self {
        let waits = |run: &&RunRow| run.state == RunState::Queued;
        let waiting = Memo::new(move |_| {
            jobs.with(|jobs| jobs.iter().filter(waits).map(|run| run.id).collect::<Vec<_>>())
        });
        let focus = RwSignal::new(None::<String>);
        // A row that moves loses the focus; rows are drawn before effects run.
        Effect::new(move |_| {
            waiting.track();
            if let Some(button) = focus.try_update(Option::take).flatten() {
                keep_focus(&button);
            }
        });
        Self {
            jobs,
            waiting,
            problem,
            refetch,
            dragged: RwSignal::new(None),
            over: RwSignal::new(None),
            said: RwSignal::new(String::new()),
            focus,
        }
    }

    /// What a screen reader announces.
    pub fn said(self) -> Signal<String> {
        self.said.into()
    }

    /// Whether any run waits.
    pub fn any_waits(self) -> bool {
        self.waiting.with(|waiting| !waiting.is_empty())
    }

    /// The place of a run that waits, from 0.
    pub fn place(self, run: RunId) -> Option<usize> {
        self.waiting.with(|waiting| waiting.iter().position(|&id| id == run))
    }

    fn place_now(self, run: RunId) -> Option<usize> {
        untrack(|| self.place(run))
    }

    /// Sends a change that has no body; `what` is what was done, in a word.
    pub fn send(self, path: String, what: &'static str) {
        self.problem.set(None);
        spawn_local(async move {
            match api::post_empty::<IgnoredAny>(path).await {
                Ok(_) => {
                    drop(self.said.try_set(format!("Done: {what}")));
                    self.refetch.try_run(());
                }
                Err(refused) => drop(self.problem.try_set(Some(refused))),
            }
        });
    }

    /// Asks for a move; `None` leads nowhere. `button` keeps the focus.
    fn ask(self, wanted: Option<QueueMove>, run: RunId, button: Option<String>) {
        let Some(wanted) = wanted else { return };
        self.problem.set(None);
        let before = self.place_now(run);
        spawn_local(async move {
            match api::post::<QueueInfo>("/queue/move", &wanted).await {
                Ok(queue) => {
                    let place = queue.waiting.iter().position(|&id| id == run);
                    let all = queue.waiting.len();
                    drop(self.said.try_set(place_in_words(before, place, all)));
                    if place != before {
                        drop(self.focus.try_set(button));
                    }
                    self.refetch.try_run(());
                }
                Err(refused) => drop(self.problem.try_set(Some(refused))),
            }
        });
    }

    fn step(self, run: RunId, step: Step) {
        let wanted = self.waiting.with_untracked(|waiting| step.of(run, waiting));
        self.ask(wanted, run, Some(button_id(step.name(), run)));
    }

    fn study_first(self, run: RunId) {
        let wanted = self.jobs.with_untracked(|jobs| {
            let waiting: Vec<_> =
                jobs.iter().filter(|run| run.state == RunState::Queued).cloned().collect();
            study_first(run, &waiting)
        });
        self.ask(wanted, run, Some(button_id("study", run)));
    }

    /// Whether runs of several studies wait.
    fn several_studies(self) -> bool {
        self.jobs.with(|jobs| {
            let mut waiting = jobs.iter().filter(|run| run.state == RunState::Queued);
            let first = waiting.next().map(|run| run.study);
            waiting.any(|run| Some(run.study) != first)
        })
    }

    /// Begins to drag a row.
    pub fn take(self, run: RunId, event: &ev::DragEvent) {
        self.dragged.set(Some(run));
        // A browser drags only what has something to carry.
        if let Some(carried) = event.data_transfer() {
            carried.set_data("text/plain", &run.to_string()).ok();
        }
    }

    /// Whether a dragged row may be dropped on this one, which is under it now.
    pub fn passes(self, run: RunId) -> bool {
        let may = self.dragged.get_untracked().is_some() && self.place_now(run).is_some();
        if may && self.over.get_untracked() != Some(run) {
            self.over.set(Some(run));
        }
        may
    }

    /// Whether a dragged row is over this one.
    pub fn is_over(self, run: RunId) -> bool {
        self.over.get() == Some(run)
    }

    /// Ends a drag without a change.
    pub fn end_drag(self) {
        self.dragged.set(None);
        self.over.set(None);
    }

    /// Drops the dragged row on this one, whose place it takes.
    pub fn drop_on(self, target: RunId) {
        let dragged = self.dragged.get_untracked();
        self.end_drag();
        if let Some(run) = dragged {
            let wanted = self.waiting.with_untracked(|waiting| dropped(run, target, waiting));
            self.ask(wanted, run, None);
        }
    }
}

/// Gives a button the focus, unless the reader has gone to something else meanwhile.
fn keep_focus(id: &str) {
    let nowhere = document().active_element().is_none_or(|at| at.tag_name() == "BODY");
    let button = document().get_element_by_id(id);
    if let Some(button) = button.and_then(|found| found.dyn_into::<HtmlElement>().ok())
        && nowhere
    {
        button.focus().ok();
    }
}

fn button_id(button: &str, run: RunId) -> String {
    format!("queue-{button}-{run}")
}

/// The buttons that move and hold a run that waits. Arrow keys, Home and End on any of them move it, too.
#[component]
pub fn Moves(id: RunId, order: Order) -> impl IntoView {
    let run = move || order.jobs.with(|jobs| jobs.iter().find(|run| run.id == id).cloned());
    let held = Memo::new(move |_| run().is_some_and(|run| run.held));
    let named = Memo::new(move |_| {
        run().map(|run| format!("Place of {}: {}", run.study_name, run.point.label()))
    });
    let on_key = move |event: ev::KeyboardEvent| {
        if let Some(step) = Step::of_key(&event.key()) {
            event.prevent_default();
            order.step(id, step);
        }
    };
    view! {
        <span class="job-moves" role="group" aria-label=named on:keydown=on_key>
            {Step::ALL.map(|step| view! { <StepButton id step order/> }).into_any()}
            <Show when=move || order.several_studies()>
                <button
                    type="button"
                    class="button button-quiet"
                    id=button_id("study", id)
                    on:click=move |_| order.study_first(id)
                >
                    "Study first"
                </button>
            </Show>
            <button
                type="button"
                class="button button-quiet"
                id=button_id("hold", id)
                on:click=move |_| {
                    let act = if held.get_untracked() { "release" } else { "hold" };
                    order.send(format!("/runs/{id}/{act}"), act);
                }
            >
                {move || if held.get() { "Release" } else { "Hold" }}
            </button>
        </span>
    }
}

/// A button that moves a run one step.
#[component]
fn StepButton(id: RunId, step: Step, order: Order) -> impl IntoView {
    let leads = move || order.waiting.with(|waiting| step.of(id, waiting).is_some());
    let glyph = match step {
        Step::First => Glyph::ToTop,
        Step::Up => Glyph::ArrowUp,
        Step::Down => Glyph::ArrowDown,
        Step::Last => Glyph::ToBottom,
    };
    view! {
        <button
            type="button"
            class="icon-button"
            id=button_id(step.name(), id)
            title=step.title()
            aria-label=step.title()
            aria-disabled=move || (!leads()).then_some("true")
            on:click=move |_| order.step(id, step)
        >
            <Icon glyph/>
        </button>
    }
}
