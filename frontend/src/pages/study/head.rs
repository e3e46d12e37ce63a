//! The head of the page: the study in one sentence, its progress, the time left, cancel.

use leptos::{prelude::*, task::spawn_local};
use shared::{
    RunState, StudyId,
    api::{DiskUse, Problem, StudyDetail},
};

use super::{
    fold::{done_of, fraction, seconds_left},
    manage::{Manage, ManageForm},
    sentence::sentence,
};
use crate::{
    api,
    base::to,
    components::{
        Confirm, Fetched, Glyph, Icon, ProblemBox, ProgressBar, StateBadge, fetched, format,
    },
    live::{Link, LinkBadge},
};

/// The states worth a badge: all that occur except done, which the count shows.
fn badges(study: &StudyDetail) -> Vec<(RunState, u32)> {
    RunState::ALL
        .into_iter()
        .filter(|&state| state != RunState::Done)
        .map(|state| {
            (state, study.runs.iter().filter(|run| run.shown_state() == state).count() as u32)
        })
        .filter(|&(_, count)| count > 0)
        .collect()
}

/// `5 of 12 runs done, about 8 min left`.
fn progress_text(study: &StudyDetail) -> String {
    let (done, all) = done_of(&study.runs);
    let reused = study.runs.iter().filter(|run| run.reused).count();
    let reused = if reused > 0 { format!(" ({reused} reused)") } else { String::new() };
    let runs = format!("{done} of {} done{reused}", format::things(all as u64, "run", "runs"));
    match seconds_left(study) {
        Some(left) => format!("{runs}, about {} left", format::duration(left)),
        None => runs,
    }
}

/// The head.
#[component]
pub fn Head(
    /// The study's identifier.
    id: StudyId,
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// The stream of events.
    link: Signal<Link>,
    /// Called with the study after it was changed or cancelled.
    changed: Callback<StudyDetail>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let cancel = Callback::new(move |()| {
        busy.set(true);
        problem.set(None);
        spawn_local(async move {
            match api::post_empty::<StudyDetail>(format!("/studies/{id}/cancel")).await {
                Ok(study) => {
                    // The page may be gone by now.
                    let _ = changed.try_run(study);
                }
                Err(error) => {
                    problem.try_set(Some(error));
                }
            }
            busy.try_set(false);
        });
    });
    let with = move |tell: fn(&StudyDetail) -> String| {
        study.with(|study| study.as_ref().map(tell).unwrap_or_default())
    };
    let name = Memo::new(move |_| with(|study| study.spec.name.clone()));
    let told = Memo::new(move |_| with(|study| sentence(&study.spec, &study.classes)));
    let progress = Memo::new(move |_| with(progress_text));
    let done = Signal::derive(move || study.with(|study| study.as_ref().map_or(0.0, fraction)));
    let going = Memo::new(move |_| {
        study.with(|study| {
            study.as_ref().is_some_and(|study| study.runs.iter().any(|run| !run.state.is_over()))
        })
    });
    let disk: Fetched<DiskUse> = fetched(move || Some(format!("/disk?study={id}")));
    let size = move || {
        let bytes = disk.value()?.studies.first()?.total_bytes;
        (bytes > 0).then(|| {
            view! { <a class="muted small nowrap" href=to("/system#disk")>{format::bytes(bytes)}" on the disk"</a> }
        })
    };
    let compare = move || {
        let filter = name.with(|name| format!("{name:?} in studies"));
        to(format!("/compare{}", api::query(&[("filter", &filter)])))
    };
    let managing = RwSignal::new(false);
    let notes = Memo::new(move |_| with(|study| study.notes.clone()));
    let states =
        Memo::new(move |_| study.with(|study| study.as_ref().map(badges).unwrap_or_default()));
    view! {
        <header class="study-head">
            <div class="page-head">
                <h1>{name}</h1>
                <div class="page-actions">
                    <Show when=move || going.get()>
                        <LinkBadge link/>
                    </Show>
                    <Manage id study open=managing changed/>
                    <a class="button" href=compare>
                        <Icon glyph=Glyph::Compare/>
                        "Compare"
                    </a>
                    <Show when=move || going.get()>
                        <Confirm
                            glyph=Glyph::Ban
                            label="Cancel the study"
                            question="Stop all unfinished runs? What they have stored is kept, and they can be run again."
                            yes="Stop them"
                            act=cancel
                            busy
                        />
                    </Show>
                </div>
            </div>
            <Show when=move || managing.get()>
                <ManageForm id study open=managing changed/>
            </Show>
            <p class="study-sentence">{told}</p>
            <Show when=move || !notes.read().is_empty()>
                <p class="study-notes">{notes}</p>
            </Show>
            <div class="study-progress">
                <Show when=move || going.get()>
                    <ProgressBar fraction=done label=Signal::stored("Progress of the study".to_owned())/>
                </Show>
                <span id="study-progress">{progress}</span>
                {move || {
                    states
                        .get()
                        .into_iter()
                        .map(|(state, count)| view! { <StateBadge state count=Some(count)/> })
                        .collect_view()
                }}
                {size}
            </div>
            {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
        </header>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn an_empty_study_is_told_without_a_time() {
        let study = StudyDetail {
            id: StudyId::from_parts(1, [0; 10]),
            created_at: 0,
            spec: presets()[0].spec.clone(),
            classes: Vec::new(),
            runs: Vec::new(),
            starred: false,
            archived: false,
            notes: String::new(),
        };
        assert_eq!(progress_text(&study), "0 of 0 runs done");
        assert!(badges(&study).is_empty());
    }
}
