//! The selected run: its state, why it stopped, and a button to run it again.

use leptos::{prelude::*, task::spawn_local};
use shared::{
    Progress, RunId, RunKind, RunState, StepTime,
    api::{Problem, RunRow, TriggerSearch},
    chart::trigger_search,
    run::RunPoint,
};

use crate::{
    api,
    base::to,
    chart::{Downloads, FigureBox},
    components::{
        Confirm, Fetched, Glyph, Icon, ProblemBox, ProgressBar, StateBadge, fetched, format,
        message,
    },
    pages::reconstruct::NEWEST,
    run_name::run_label,
};

/// The state of a run, in one line.
fn standing(run: &RunRow) -> String {
    let progress = &run.progress;
    match run.state {
        RunState::Queued if run.waits.is_some() => {
            format!("{}.", sentence_case(run.waits.as_deref().unwrap_or_default()))
        }
        RunState::Queued => match (run.parent, run.restorer) {
            (None, None) => "Waiting for its turn.",
            (Some(_), None) => "Waiting for its turn and for the pre-training that it starts from.",
            (None, Some(_)) => "Waiting for its turn and for the pre-training that restores images.",
            (Some(_), Some(_)) => {
                "Waiting for its turn, for the pre-training that it starts from and for the one that restores images."
            }
        }
        .into(),
        RunState::Running => {
            if let Some(why) = &run.paused {
                return format!("Paused: {why}.");
            }
            let job = run.job.as_ref();
            if let Some(job) = job.filter(|job| job.waits.is_some()) {
                return format!("{}.", sentence_case(&job.in_words()));
            }
            let job = job.map(|job| format!(" {}.", sentence_case(&job.in_words())));
            let job = job.unwrap_or_default();
            if let Some(preparing) = &progress.preparing {
                return format!("Preparing: {preparing}.{job}");
            }
            let speed = progress
                .images_per_second
                .map(|speed| format!(", {} images/s", format::count(speed.round() as u64)))
                .unwrap_or_default();
            let left = progress
                .seconds_left()
                .map(|left| format!(", about {} left", format::duration(left)))
                .unwrap_or_default();
            let epoch = progress.epoch;
            let waiting = waiting(progress);
            format!("Epoch {epoch:.1} of {}{speed}{left}{waiting}.{job}", progress.epochs)
        }
        RunState::Done => {
            let took = run.started_at.zip(run.ended_at).map(|(from, to)| {
                format!(" in {}", format::duration(to.saturating_sub(from) as f64 / 1000.0))
            });
            let took = took.unwrap_or_default();
            let what = match (run.point.kind, progress.epochs) {
                (RunKind::Knn, _) | (_, 0) => "Done".into(),
                (_, epochs) => format!("{epochs} epochs"),
            };
            let reused = if run.reused { " Taken from an earlier study." } else { "" };
            let found = progress
                .judgement
                .map(|judgement| format!(" {}.", sentence_case(&judgement.in_words())));
            let found = found.unwrap_or_default();
            format!("{what}{took}{}.{found}{reused}", waiting(progress))
        }
        RunState::Failed => "Stopped with an error.".into(),
        RunState::Interrupted => {
            "Its worker ended before the run had finished. What it has stored is kept.".into()
        }
        RunState::Cancelled => "Cancelled before it finished.".into(),
    }
}

/// The share of a step's time that is spent waiting for data: `, 3 % waiting for data`.
fn waiting(progress: &Progress) -> String {
    let share = progress.time.and_then(StepTime::waiting);
    share.map(|share| format!(", {:.0} % waiting for data", 100.0 * share)).unwrap_or_default()
}

/// Where the run trains, or which device it asks for; `None` for a run that asks for any and has not started.
fn place(run: &RunRow) -> Option<String> {
    match (run.state, &run.device) {
        (RunState::Queued, _) if run.wish.is_default() => None,
        (RunState::Queued, _) => Some(format!("Asks for {}.", run.wish.in_words())),
        (RunState::Running, Some(device)) => Some(format!("On {device}.")),
        (_, Some(device)) => Some(format!("It was on {device}.")),
        (_, None) => None,
    }
}

/// That the run's checkpoints were removed, in a sentence.
fn removed(run: &RunRow) -> Option<String> {
    let tidied = run.tidied?;
    let (what, more) = if tidied.kept_last {
        ("Its checkpoints but the last were", "")
    } else {
        ("Its checkpoints were", ", and a study that starts from them trains them again")
    };
    Some(format!("{what} {tidied}. Its results stay{more}."))
}

/// The last checkpoint's page, for a pre-training that has one; of a run in training, the page that follows the newest.
fn reconstruct_link(run: &RunRow) -> Option<String> {
    if run.tidied.is_some_and(|tidied| !tidied.kept_last) {
        return None;
    }
    let file = run.progress.checkpoint.as_ref().filter(|_| run.point.kind.makes_encoder())?;
    let file = if run.state == RunState::Running { NEWEST } else { file };
    let query = api::query(&[("run", &run.id.to_string()), ("file", file)]);
    Some(to(format!("/reconstruct{query}")))
}

/// The form of a study that applies a defence to the run, once it is done.
fn defend_link(run: &RunRow) -> Option<String> {
    let RunPoint { kind, scratch, .. } = run.point;
    let is_defended = run.state == RunState::Done && kind != RunKind::Defence && !scratch;
    let query = [("from", &*run.study.to_string()), ("defend", &run.id.to_string())];
    is_defended.then(|| to(format!("/studies/new{}", api::query(&query))))
}

/// Where to go on from the run.
#[component]
fn Links(run: Memo<Option<RunRow>>, still: Memo<Option<RunRow>>) -> impl IntoView {
    let reconstruct = Memo::new(move |_| run.with(|run| run.as_ref().and_then(reconstruct_link)));
    let defend = Memo::new(move |_| still.with(|run| run.as_ref().and_then(defend_link)));
    let link = |href: Option<String>, glyph, text| {
        href.map(|href| {
            view! {
                <a class="button" href=href>
                    <Icon glyph/>
                    {text}
                </a>
            }
        })
    };
    view! {
        {move || link(reconstruct.get(), Glyph::Reconstruct, "Reconstruct")}
        {move || link(defend.get(), Glyph::Shield, "Defend")}
    }
}

/// The panel of the selected run.
#[component]
pub fn RunPanel(
    /// The run with its progress.
    run: Memo<Option<RunRow>>,
    /// The run without its progress.
    still: Memo<Option<RunRow>>,
    /// Called after a change, when the study must be fetched again.
    changed: Callback<()>,
    /// Its curves.
    children: Children,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    Effect::new(move |_| {
        still.track();
        problem.set(None);
    });
    let ask = move |verb: &'static str| {
        let Some(id) = still.with_untracked(|run| run.as_ref().map(|run| run.id)) else { return };
        busy.set(true);
        spawn_local(async move {
            if let Err(error) = send(id, verb).await {
                problem.try_set(Some(error));
            }
            busy.try_set(false);
            let _ = changed.try_run(());
        });
    };
    let title = Memo::new(move |_| {
        still.with(|run| run.as_ref().map(|run| sentence_case(&run_label(run))))
    });
    let told = Memo::new(move |_| run.with(|run| run.as_ref().map(standing)));
    let device = Memo::new(move |_| still.with(|run| run.as_ref().and_then(place)));
    let state = Memo::new(move |_| still.with(|run| run.as_ref().map(RunRow::shown_state)));
    let held = Memo::new(move |_| still.with(|run| run.as_ref().is_some_and(|run| run.held)));
    let fraction = Signal::derive(move || {
        run.with(|run| run.as_ref().map_or(0.0, |run| run.progress.fraction()))
    });
    let again =
        Memo::new(move |_| state.get().is_some_and(|state| state.may_become(RunState::Queued)));
    view! {
        <section class="panel run" aria-label="Selected run">
            <div class="panel-head">
                <h2>{title}</h2>
                {move || state.get().map(|state| view! { <StateBadge state/> })}
            </div>
            <div class="panel-body stack">
                <div class="run-line">
                    <span>
                        <span id="run-standing">{told}</span>
                        " "
                        <span class="muted" id="run-device">{device}</span>
                    </span>
                    <div class="run-actions">
                        <Links run still/>
                        <Show when=move || again.get()>
                            <button
                                type="button"
                                class="button"
                                id="run-again"
                                title="A pre-training resumes from its last saved state."
                                disabled=move || busy.get()
                                on:click=move |_| ask("retry")
                            >
                                <Icon glyph=Glyph::Retry/>
                                "Run again"
                            </button>
                        </Show>
                        <Show when=move || state.get() == Some(RunState::Queued)>
                            <Hold held busy ask=Callback::new(ask)/>
                        </Show>
                        <Show when=move || state.get().is_some_and(|state| !state.is_over())>
                            <Confirm
                                glyph=Glyph::Ban
                                label="Cancel this run"
                                question="Stop this run? Runs that wait for it are stopped as well."
                                yes="Stop it"
                                act=Callback::new(move |()| ask("cancel"))
                                busy
                            />
                        </Show>
                    </div>
                </div>
                <Show when=move || state.get() == Some(RunState::Running)>
                    <ProgressBar fraction label=Signal::stored("Progress of the run".to_owned())/>
                </Show>
                <Notices run=still/>
                <Restorer run=still/>
                <FoundTrigger run/>
                {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
                {children()}
            </div>
        </section>
    }
}

/// Images on which the server shows a trigger that was found.
const UNDER_TRIGGER: usize = 4;

/// The run, if it is a defence that found a trigger in an encoder.
fn found_trigger(run: &RunRow) -> Option<RunId> {
    run.progress.judgement?.encoder?.pl1.map(|_| run.id)
}

/// The trigger that a defence found in an encoder.
#[component]
fn FoundTrigger(
    /// The run with its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let picture = Memo::new(move |_| run.with(|run| run.as_ref().and_then(found_trigger)));
    let search: Fetched<TriggerSearch> = fetched(move || {
        let run = picture.get()?.to_string();
        Some(format!("/results/search{}", api::query(&[("runs", &run)])))
    });
    let figure = Signal::derive(move || trigger_search(search.value().as_ref()));
    let downloads = Signal::derive(move || {
        let runs = picture.get()?.to_string();
        Some(Downloads { runs, ..Downloads::default() })
    });
    let found = move || {
        picture.get().map(|run| {
            let src = api::address(format!("/runs/{run}/inverted.png"));
            let pairs = (0..UNDER_TRIGGER).map(|n| {
                let src = api::address(format!("/runs/{run}/inverted/{n}.png"));
                let alt = format!("Image {} of the search, and the same with the trigger", n + 1);
                view! {
                    <img class="pixelated" src=src alt=alt loading="lazy" width="192" height="96"/>
                }
            });
            let pairs = pairs.collect_view();
            view! {
                <figure id="found-trigger">
                    <img
                        class="pixelated"
                        src=src
                        alt="Mask of the smallest trigger, and the trigger on black"
                        width="256"
                        height="128"
                    />
                    <figcaption class="muted small">
                        "The smallest trigger that makes all features alike: its mask, and the trigger on black."
                    </figcaption>
                    <div class="found-on">{pairs}</div>
                    <p class="muted small">
                        "Images on which the defence searched for the trigger, each without and with it."
                    </p>
                </figure>
            }
        })
    };
    view! {
        {found}
        <Show when=move || search.value().is_some()>
            <FigureBox figure downloads/>
        </Show>
    }
}

/// Why the run ended, and that its checkpoints were removed.
#[component]
fn Notices(
    /// The run without its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let removed = Memo::new(move |_| run.with(|run| run.as_ref().and_then(removed)));
    let error = Memo::new(move |_| run.with(|run| run.as_ref().and_then(|run| run.error.clone())));
    view! {
        {move || {
            removed
                .get()
                .map(|told| view! { <p class="muted small" id="checkpoints-removed">{told}</p> })
        }}
        {move || {
            error
                .get()
                .map(|error| {
                    view! {
                        <p class="notice notice-bad" role="alert">
                            <Icon glyph=Glyph::Alert/>
                            <span>{message(&error)}</span>
                        </p>
                    }
                })
        }}
    }
}

/// The run whose autoencoder restores what a defence hides, where that is not the judged one.
#[component]
fn Restorer(
    /// The run without its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let restorer = Memo::new(move |_| run.with(|run| run.as_ref().and_then(|run| run.restorer)));
    move || {
        restorer.get().map(|restorer| {
            view! {
                <p class="muted small" id="run-restorer">
                    "What this defence hides of an image is restored by the autoencoder of a "
                    <a href=format!("?run={restorer}") data-noscroll>
                        "pre-training without poisons"
                    </a> "."
                </p>
            }
        })
    }
}

/// The button that holds a run that waits, or releases it.
#[component]
fn Hold(held: Memo<bool>, busy: RwSignal<bool>, ask: Callback<&'static str>) -> impl IntoView {
    view! {
        <button
            type="button"
            class="button"
            id="hold-run"
            title="A held run waits until it is released; others start before it."
            disabled=move || busy.get()
            on:click=move |_| ask.run(if held.get_untracked() { "release" } else { "hold" })
        >
            {move || if held.get() { "Release" } else { "Hold" }}
        </button>
    }
}

async fn send(id: RunId, verb: &str) -> Result<RunRow, Problem> {
    api::post_empty(format!("/runs/{id}/{verb}")).await
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use shared::{DeviceWish, run::RunPoint};

    use super::*;
    use crate::fixture::row;

    #[test]
    fn a_run_tells_where_it_trains_and_what_it_waits_for() {
        let point = RunPoint {
            kind: RunKind::Pretrain,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let mut run = row(point);
        assert_eq!((standing(&run).as_str(), place(&run)), ("Waiting for its turn.", None));
        run.restorer = Some(run.id);
        assert!(standing(&run).ends_with(" and for the pre-training that restores images."));
        run.parent = Some(run.id);
        assert!(standing(&run).ends_with(" starts from and for the one that restores images."));
        run.restorer = None;
        assert!(standing(&run).ends_with(" and for the pre-training that it starts from."));
        run.wish = DeviceWish::Gpus(2);
        run.waits = Some("waits for 2 GPUs".into());
        assert_eq!(standing(&run), "Waits for 2 GPUs.");
        assert_eq!(place(&run).as_deref(), Some("Asks for 2 GPUs."));
        (run.state, run.device) = (RunState::Running, Some("cuda:0,cuda:1".into()));
        assert_eq!(place(&run).as_deref(), Some("On cuda:0,cuda:1."));
        run.state = RunState::Done;
        assert_eq!(place(&run).as_deref(), Some("It was on cuda:0,cuda:1."));
    }

    #[test]
    fn a_label_becomes_a_heading() {
        assert_eq!(sentence_case("linear probe, PPR 0"), "Linear probe, PPR 0");
        assert_eq!(sentence_case(""), "");
    }

    #[test]
    fn removed_checkpoints_are_told_and_not_linked() {
        let point = shared::run::RunPoint {
            kind: RunKind::Pretrain,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let mut run = crate::fixture::row(point);
        run.progress.checkpoint = Some("checkpoint-0010.safetensors".into());
        assert_eq!(removed(&run), None);
        let ended = reconstruct_link(&run).expect("a checkpoint");
        assert!(ended.ends_with("file=checkpoint-0010.safetensors"), "{ended}");
        run.state = RunState::Running;
        assert!(reconstruct_link(&run).expect("a checkpoint").ends_with("file=newest"));
        run.state = RunState::Done;
        let at = 1_700_000_000_000;
        run.tidied = Some(shared::api::Tidied { at, kept_last: true });
        assert!(reconstruct_link(&run).is_some());
        run.tidied = Some(shared::api::Tidied { at, kept_last: false });
        assert_eq!(reconstruct_link(&run), None);
        assert_eq!(
            removed(&run).unwrap(),
            "Its checkpoints were removed by retention on 2023-11-14. Its results stay, and a study that starts from them trains \
             them again."
        );
    }

    #[test]
    fn waiting_is_told_where_it_was_measured() {
        let time = Some(StepTime { waited: 0.1, computed: 0.3 });
        let measured = Progress { time, ..Progress::default() };
        assert_eq!(waiting(&measured), ", 25 % waiting for data");
        assert_eq!(waiting(&Progress::default()), "");
    }
}
