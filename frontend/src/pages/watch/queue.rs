//! The queue: what runs and what waits, each of which can be cancelled; what waits can be moved and held.

use leptos::{ev, prelude::*, task::spawn_local};
use shared::{
    RunId, RunState,
    api::{ClusterJob, Problem, QueueTime, RunRow},
};

use super::moves::{Moves, Order};
use crate::{
    api,
    base::to,
    components::{
        Confirm, Fetched, Glyph, Icon, ProblemBox, ProgressBar, StateBadge, fetched_every, format,
    },
};

/// Time between two estimates of what the whole queue takes, in milliseconds.
const TIME_PERIOD: u32 = 15_000;

/// The progress of a job, as text.
fn progress_text(run: &RunRow) -> String {
    let progress = &run.progress;
    if run.state == RunState::Queued {
        return run.waits.clone().unwrap_or_else(|| "waiting for its turn".into());
    }
    if let Some(why) = &run.paused {
        return format!("paused: {why}");
    }
    let job = run.job.as_ref();
    if let Some(job) = job.filter(|job| job.waits.is_some()) {
        return job.in_words();
    }
    if let Some(preparing) = &progress.preparing {
        return preparing.clone();
    }
    let mut parts = vec![format!("epoch {:.1} of {}", progress.epoch, progress.epochs)];
    parts.extend(progress.images_per_second.map(|speed| format!("{speed:.0} images/s")));
    parts.extend(
        progress.seconds_left().map(|left| format!("about {} left", format::duration(left))),
    );
    parts.extend(job.map(ClusterJob::in_words));
    parts.join(", ")
}

/// `, all done in about 2.0 h`.
fn time_text(time: QueueTime) -> String {
    let idle = if time.is_paced { "" } else { " on an idle machine" };
    format!(", all done in about {}{idle}", format::duration(time.seconds))
}

/// The queue. It is asked for every few seconds; a row stays as long as its job does, with the focus and the question in it.
#[component]
pub fn Queue(
    /// What runs, then what waits in order.
    jobs: Signal<Vec<RunRow>>,
    /// Whether this server starts what waits.
    schedules: Memo<bool>,
    /// Whether nothing that waits starts.
    paused: Memo<bool>,
    /// Called after a change.
    refetch: Callback<()>,
) -> impl IntoView {
    let problem = RwSignal::new(None::<Problem>);
    let cancel = Callback::new(move |run: RunId| {
        problem.set(None);
        spawn_local(async move {
            match api::post_empty::<RunRow>(format!("/runs/{run}/cancel")).await {
                Ok(_) => drop(refetch.try_run(())),
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    });
    let order = Order::new(jobs, problem, refetch);
    let ids =
        Memo::new(move |_| jobs.with(|jobs| jobs.iter().map(|run| run.id).collect::<Vec<_>>()));
    let told = Memo::new(move |_| {
        jobs.with(|jobs| {
            let running = jobs.iter().filter(|run| run.shown_state() == RunState::Running).count();
            format!("{running} running, {} queued", jobs.len() - running)
        })
    });
    let time: Fetched<Option<QueueTime>> =
        fetched_every(|| Some("/queue/time".into()), TIME_PERIOD, |_| true);
    let left = move || time.value().flatten().filter(|time| time.runs > 0).map(time_text);
    view! {
        <section class="panel" aria-labelledby="queue-title">
            <header class="panel-head">
                <h2 id="queue-title">"Queue"</h2>
                <span class="panel-tools">
                    <span class="muted small">{told} {left}</span>
                    <Show when=move || paused.get() || order.any_waits()>
                        <button
                            type="button"
                            class="button button-quiet"
                            id="pause-queue"
                            on:click=move |_| {
                                let act = if paused.get_untracked() { "resume" } else { "pause" };
                                order.send(format!("/queue/{act}"), act);
                            }
                        >
                            <Icon glyph=Signal::derive(move || {
                                if paused.get() { Glyph::Play } else { Glyph::Pause }
                            })/>
                            {move || if paused.get() { "Resume the queue" } else { "Pause the queue" }}
                        </button>
                    </Show>
                </span>
            </header>
            <Show when=move || paused.get()>
                <p class="notice">
                    <Icon glyph=Glyph::Info/>
                    <span>"The queue is paused: what runs goes on, and nothing that waits starts until the queue is resumed."</span>
                </p>
            </Show>
            <p class="visually-hidden" role="status" id="queue-said">{order.said()}</p>
            <Show when=move || !schedules.get()>
                <p class="notice">
                    <Icon glyph=Glyph::Info/>
                    <span>"Another process on the same data folder schedules the runs; this server only shows them."</span>
                </p>
            </Show>
            {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            <Show
                when=move || !ids.read().is_empty()
                fallback=|| view! { <p class="empty-line">"Nothing is running or queued."</p> }
            >
                <div class="table-box table-plain">
                    <table class="table table-cards">
                        <thead>
                            <tr>
                                <th scope="col">"State"</th>
                                <th scope="col">"Run"</th>
                                <th scope="col">"Progress"</th>
                                <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=move || ids.get() key=|id| *id let:id>
                                <Job id jobs cancel order/>
                            </For>
                        </tbody>
                    </table>
                </div>
            </Show>
        </section>
    }
}

/// A job that runs or waits.
#[component]
fn Job(
    id: RunId,
    jobs: Signal<Vec<RunRow>>,
    cancel: Callback<RunId>,
    order: Order,
) -> impl IntoView {
    let run = Memo::new(move |_| jobs.with(|jobs| jobs.iter().find(|run| run.id == id).cloned()));
    let of = move |tell: fn(&RunRow) -> String| {
        Memo::new(move |_| run.with(|run| run.as_ref().map(tell).unwrap_or_default()))
    };
    let state = Memo::new(move |_| run.with(|run| run.as_ref().map(RunRow::shown_state)));
    let study = of(|run| run.study_name.clone());
    let href = of(|run| to(format!("/studies/{}?run={}", run.study, run.id)));
    let progress = of(progress_text);
    let what =
        of(|run| match run.device.as_deref().filter(|_| run.shown_state() == RunState::Running) {
            Some(device) => format!("{}, on {device}", run.label()),
            None => run.label(),
        });
    let fraction = Signal::derive(move || {
        run.with(|run| run.as_ref().map_or(0.0, |run| run.progress.fraction()))
    });
    let waits = Memo::new(move |_| order.place(id).is_some());
    view! {
        <tr
            class:job-over=move || order.is_over(id)
            draggable=move || if waits.get() { "true" } else { "false" }
            on:dragstart=move |event: ev::DragEvent| {
                if waits.get_untracked() {
                    order.take(id, &event);
                }
            }
            on:dragend=move |_| order.end_drag()
            on:dragover=move |event: ev::DragEvent| {
                if order.passes(id) {
                    event.prevent_default();
                }
            }
            on:drop=move |event: ev::DragEvent| {
                event.prevent_default();
                order.drop_on(id);
            }
        >
            <td data-label="State">{move || state.get().map(|state| view! { <StateBadge state/> })}</td>
            <th scope="row">
                <a href=href>{study}</a>
                <span class="sub">{what}</span>
            </th>
            <td data-label="Progress" class="job-progress">
                <ProgressBar fraction label=Signal::stored("Progress".to_owned())/>
                <span class="small">{progress}</span>
            </td>
            <td class="number job-actions">
                <Show when=move || waits.get()>
                    <Moves id order/>
                </Show>
                <Confirm
                    glyph=Glyph::Close
                    label="Cancel"
                    question="Cancel this run? What it has stored is kept."
                    yes="Cancel the run"
                    act=Callback::new(move |()| cancel.run(id))
                />
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use shared::{Progress, RunKind, run::RunPoint};

    use super::*;
    use crate::fixture::row;

    fn run(state: RunState, progress: Progress) -> RunRow {
        let point = RunPoint {
            kind: RunKind::Pretrain,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        RunRow { state, progress, ..row(point) }
    }

    #[test]
    fn the_whole_queue_s_time_tells_what_it_is_based_on() {
        let time = QueueTime { seconds: 7_200.0, runs: 3, is_paced: true };
        assert_eq!(time_text(time), ", all done in about 2.0 h");
        let guessed = QueueTime { is_paced: false, ..time };
        assert_eq!(time_text(guessed), ", all done in about 2.0 h on an idle machine");
    }

    #[test]
    fn progress_is_told_in_words() {
        let progress = Progress {
            epochs: 10,
            epoch: 2.54,
            step: 11,
            steps: 41,
            images_per_second: Some(812.3),
            first_step: Some((1, 0)),
            updated_at: Some(20_000),
            ..Progress::default()
        };
        // 10 steps in 20 s, 30 left.
        let told = progress_text(&run(RunState::Running, progress.clone()));
        assert_eq!(told, "epoch 2.5 of 10, 812 images/s, about 1 min left");
        let mut queued = run(RunState::Queued, progress);
        assert_eq!(progress_text(&queued), "waiting for its turn");
        queued.waits = Some("waits for cuda:1".into());
        assert_eq!(progress_text(&queued), "waits for cuda:1");
    }

    #[test]
    fn preparation_is_told_first() {
        let progress =
            Progress { preparing: Some("drawing: 5 of 9".into()), ..Progress::default() };
        assert_eq!(progress_text(&run(RunState::Running, progress)), "drawing: 5 of 9");
    }
}
