//! The running jobs in the top bar. The frame polls them every few seconds, which also detects when a lost server is back.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::{
    api::{Page, RunRow, SystemInfo},
    run::RunState,
};

use crate::{
    api,
    base::to,
    components::{Glyph, Icon, ProgressRing},
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 4000;

/// What the top bar shows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Jobs {
    running: u64,
    /// Mean progress of the running ones, in 0–1.
    fraction: f64,
    device: Option<String>,
}

#[derive(Clone, Copy)]
struct JobsContext(RwSignal<Jobs>);

/// Starts polling; the frame calls it once.
pub(super) fn provide() {
    let jobs = RwSignal::new(Jobs::default());
    provide_context(JobsContext(jobs));
    spawn_local(async move {
        loop {
            if jobs.with_untracked(|jobs| jobs.device.is_none())
                && let Ok(system) = api::get::<SystemInfo>("/system").await
            {
                let device = system.devices.first().map(|device| device.description.clone());
                jobs.update(|jobs| jobs.device = device);
            }
            let running = api::query(&[("state", RunState::Running.as_str()), ("limit", "20")]);
            if !document().hidden()
                && let Ok(page) = api::get::<Page<RunRow>>(format!("/runs{running}")).await
            {
                let (running, fraction) = (page.total, mean_fraction(&page.items));
                let next = Jobs { running, fraction, ..jobs.get_untracked() };
                if jobs.with_untracked(|jobs| *jobs != next) {
                    jobs.set(next);
                }
            }
            TimeoutFuture::new(PERIOD).await;
        }
    });
}

fn mean_fraction(runs: &[RunRow]) -> f64 {
    let sum: f64 = runs.iter().map(|run| run.progress.fraction()).sum();
    if runs.is_empty() { 0.0 } else { sum / runs.len() as f64 }
}

fn label(running: u64) -> String {
    match running {
        0 => "no jobs".into(),
        1 => "1 job".into(),
        more => format!("{more} jobs"),
    }
}

/// The number of running jobs with their progress, and the device in use.
#[component]
pub fn JobsIndicator() -> impl IntoView {
    let jobs = expect_context::<JobsContext>().0;
    let idle = move || jobs.with(|jobs| jobs.running == 0);
    view! {
        <a class="jobs" id="jobs" href=to("/watch") class:idle=idle>
            {move || {
                if idle() {
                    view! { <Icon glyph=Glyph::Idle/> }.into_any()
                } else {
                    let fraction = Signal::derive(move || jobs.with(|jobs| jobs.fraction));
                    view! { <ProgressRing fraction/> }.into_any()
                }
            }}
            <span>{move || jobs.with(|jobs| label(jobs.running))}" running"</span>
        </a>
        <span class="device">{move || jobs.with(|jobs| jobs.device.clone())}</span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_in_words() {
        assert_eq!([label(0), label(1), label(3)], ["no jobs", "1 job", "3 jobs"]);
        assert!(mean_fraction(&[]).abs() < f64::EPSILON);
    }
}
