//! The page "System": devices, the queue, the disk, version and data folder.

mod disk;

use leptos::{prelude::*, task::spawn_local};
use shared::{
    RunState,
    api::{Problem, RunRow, SystemInfo},
};

use self::disk::Disk;
use super::devices::{self, Devices};
use crate::{
    api,
    components::{
        Confirm, Fetched, Glyph, Icon, ProblemBox, ProgressBar, StateBadge, fetched_every, format,
    },
    frame::{Crumb, set_place},
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 2000;

/// The progress of a job, as text.
fn progress_text(run: &RunRow) -> String {
    let progress = &run.progress;
    if run.state == RunState::Queued {
        return run.waits.clone().unwrap_or_else(|| "waiting for its turn".into());
    }
    if let Some(why) = &run.paused {
        return format!("paused: {why}");
    }
    if let Some(preparing) = &progress.preparing {
        return preparing.clone();
    }
    let mut parts = vec![format!("epoch {:.1} of {}", progress.epoch, progress.epochs)];
    parts.extend(progress.images_per_second.map(|speed| format!("{speed:.0} images/s")));
    parts.extend(
        progress.seconds_left().map(|left| format!("about {} left", format::duration(left))),
    );
    parts.join(", ")
}

/// The page.
#[component]
pub fn SystemPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("System")]);
    let system: Fetched<SystemInfo> = fetched_every(|| Some("/system".into()), PERIOD, |_| true);
    let devices = devices::readings();
    let jobs = Signal::derive(move || system.value().map(|info| info.jobs).unwrap_or_default());
    let body = move || {
        match system.get() {
        None => view! { <p class="loading" role="status">"Loading the system information…"</p> }.into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| system.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(info)) => view! {
            <Queue jobs=info.jobs.clone() schedules=info.schedules refetch=Callback::new(move |()| system.refetch())/>
            <div class="columns">
                <Devices list=devices jobs/>
                <Program info/>
            </div>
        }
        .into_any(),
    }
    };
    view! {
        <header class="page-head">
            <h1>"System"</h1>
        </header>
        {body}
        <Disk/>
    }
}

#[component]
fn Queue(jobs: Vec<RunRow>, schedules: bool, refetch: Callback<()>) -> impl IntoView {
    let problem = RwSignal::new(None::<Problem>);
    let cancel = move |run: String| {
        spawn_local(async move {
            match api::post_empty::<RunRow>(format!("/runs/{run}/cancel")).await {
                Ok(_) => refetch.run(()),
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    };
    let running = jobs.iter().filter(|run| run.state == RunState::Running).count();
    let told = format!("{running} running, {} queued", jobs.len() - running);
    let empty = jobs.is_empty();
    let rows = jobs
        .into_iter()
        .map(|run| {
            let id = run.id.to_string();
            let progress = progress_text(&run);
            let place = run.device.as_deref().filter(|_| run.state == RunState::Running);
            let what = match place {
                Some(device) => format!("{}, on {device}", run.point.label()),
                None => run.point.label(),
            };
            let act = Callback::new(move |()| cancel(id.clone()));
            view! {
                <tr>
                    <td data-label="State"><StateBadge state=run.state/></td>
                    <th scope="row">
                        <a href=format!("/studies/{}?run={}", run.study, run.id)>{run.study_name}</a>
                        <span class="sub">{what}</span>
                    </th>
                    <td data-label="Progress" class="job-progress">
                        <ProgressBar
                            fraction=Signal::stored(run.progress.fraction())
                            label=Signal::stored("Progress".to_owned())
                        />
                        <span class="small">{progress}</span>
                    </td>
                    <td class="number">
                        <Confirm
                            glyph=Glyph::Close
                            label="Cancel"
                            question="Cancel this run? What it has stored is kept."
                            yes="Cancel the run"
                            act
                        />
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel" aria-labelledby="queue-title">
            <header class="panel-head">
                <h2 id="queue-title">"Queue"</h2>
                <span class="muted small">{told}</span>
            </header>
            {(!schedules)
                .then(|| {
                    view! {
                        <p class="notice">
                            <Icon glyph=Glyph::Info/>
                            <span>"Another process on the same data folder schedules the runs; this server only shows them."</span>
                        </p>
                    }
                })}
            {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            {if empty {
                view! { <p class="empty-line">"Nothing is running or queued."</p> }.into_any()
            } else {
                view! {
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
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                }
                    .into_any()
            }}
        </section>
    }
}

#[component]
fn Program(info: SystemInfo) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="program-title">
            <header class="panel-head"><h2 id="program-title">"Program"</h2></header>
            <div class="panel-body">
                <dl class="pairs">
                    <div><dt>"Version"</dt><dd>{info.version}</dd></div>
                    <div><dt>"Data folder"</dt><dd><code>{info.data_dir}</code></dd></div>
                    <div>
                        <dt>"API"</dt>
                        <dd><a href=api::address("/openapi.json") rel="external">"OpenAPI document"</a></dd>
                    </div>
                </dl>
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::{Progress, RunKind, run::RunPoint};

    use super::*;
    use crate::fixture::row;

    fn run(state: RunState, progress: Progress) -> RunRow {
        let point = RunPoint { kind: RunKind::Pretrain, ppr: 0, lpr: 0, seed: 1, scratch: false };
        RunRow { state, progress, ..row(point) }
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
