//! The page "Watch": what needs attention, the curves of all that runs over each other, the queue, what ended last.
//!
//! Address: `/watch`; `?kind=` narrows the curves to one kind of run, [`crate::curves`] has what chooses a curve.

mod alerts;
mod ended;
mod moves;
mod queue;
mod reorder;
mod running;

use leptos::prelude::*;

pub use self::running::RunningNow;
use self::{
    alerts::Alerts,
    ended::Ended,
    queue::Queue,
    running::{Running, WhatRuns},
};
use crate::{
    components::ProblemBox,
    frame::{Crumb, set_place},
    live::LinkBadge,
};

/// The page.
#[component]
pub fn WatchPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Watch")]);
    let running = Running::new();
    let (system, jobs) = (running.system, running.jobs);
    let loaded = Memo::new(move |_| system.value().is_some());
    let schedules = Memo::new(move |_| system.value().is_some_and(|info| info.schedules));
    let paused = Memo::new(move |_| system.value().is_some_and(|info| info.paused));
    let waiting = move || match system.problem() {
        None => view! { <p class="loading" role="status">"Loading what runs…"</p> }.into_any(),
        Some(problem) => {
            let retry = Callback::new(move |()| system.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
    };
    view! {
        <header class="page-head">
            <h1>"Watch"</h1>
            <LinkBadge link=running.link/>
        </header>
        <Show when=move || loaded.get() fallback=waiting>
            <Alerts jobs/>
            <WhatRuns running/>
            <Queue jobs=jobs.into() schedules paused refetch=Callback::new(move |()| system.refetch())/>
            <Ended/>
        </Show>
    }
}
