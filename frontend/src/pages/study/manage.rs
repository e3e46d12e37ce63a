//! What one does with a study as a whole: star, copy, rename, tags, notes, archive, delete.

use leptos::{ev, prelude::*, task::spawn_local};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use shared::{
    StudyId,
    api::{Deletion, Problem, StudyChange, StudyDetail},
};

use crate::{
    api,
    base::to,
    components::{Confirm, Glyph, Icon, ProblemBox, format},
    frame::offer_undo,
};

/// Sends a change; `done` gets the changed study.
fn send(
    id: StudyId,
    change: StudyChange,
    problem: RwSignal<Option<Problem>>,
    done: Callback<StudyDetail>,
) {
    problem.set(None);
    spawn_local(async move {
        match api::patch::<StudyDetail>(format!("/studies/{id}"), &change).await {
            // The page may be gone by now.
            Ok(study) => drop(done.try_run(study)),
            Err(refused) => drop(problem.try_set(Some(refused))),
        }
    });
}

/// The buttons at the top of the page.
#[component]
pub fn Manage(
    /// The study's identifier.
    id: StudyId,
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// Whether the form is open.
    open: RwSignal<bool>,
    /// Called with the study after it was changed.
    changed: Callback<StudyDetail>,
) -> impl IntoView {
    let problem = RwSignal::new(None::<Problem>);
    let starred =
        Memo::new(move |_| study.with(|study| study.as_ref().is_some_and(|it| it.starred)));
    let star = move |_| {
        let change =
            StudyChange { starred: Some(!starred.get_untracked()), ..StudyChange::default() };
        send(id, change, problem, changed);
    };
    view! {
        <button
            type="button"
            class="icon-button star"
            id="star"
            class:star-on=move || starred.get()
            aria-pressed=move || starred.get().to_string()
            aria-label="Star"
            title="Star: studies with one can be listed alone"
            on:click=star
        >
            <Icon glyph=Glyph::Star/>
        </button>
        <a class="button button-quiet" href=to(format!("/studies/new?from={id}"))>
            <Icon glyph=Glyph::Copy/>
            "Copy as new"
        </a>
        <a
            class="button button-quiet"
            href=api::address(format!("/studies/{id}/report"))
            download
            rel="external"
            title="The study as one HTML file that opens without a server"
        >
            <Icon glyph=Glyph::Download/>
            "Report"
        </a>
        <button
            type="button"
            class="button button-quiet"
            aria-expanded=move || open.get().to_string()
            on:click=move |_| open.update(|open| *open = !*open)
        >
            <Icon glyph=Glyph::Pencil/>
            "Edit"
        </button>
        {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
    }
}

/// The form for name, tags and notes, with archive and delete.
#[component]
pub fn ManageForm(
    /// The study's identifier.
    id: StudyId,
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// Whether the form is open.
    open: RwSignal<bool>,
    /// Called with the study after it was changed.
    changed: Callback<StudyDetail>,
) -> impl IntoView {
    let now = study.get_untracked();
    let (old_name, old_tags, old_notes) = now
        .map(|study| (study.spec.name, study.spec.tags.join(", "), study.notes))
        .unwrap_or_default();
    let (name, tags, notes) =
        (RwSignal::new(old_name), RwSignal::new(old_tags), RwSignal::new(old_notes));
    let problem = RwSignal::new(None::<Problem>);
    let archived =
        Memo::new(move |_| study.with(|study| study.as_ref().is_some_and(|it| it.archived)));
    let saved = Callback::new(move |study| {
        open.set(false);
        changed.run(study);
    });
    let save = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let change = StudyChange {
            name: Some(name.get_untracked()),
            tags: Some(format::tags(&tags.get_untracked())),
            notes: Some(notes.get_untracked()),
            ..StudyChange::default()
        };
        send(id, change, problem, saved);
    };
    let archive = move |_| {
        let change =
            StudyChange { archived: Some(!archived.get_untracked()), ..StudyChange::default() };
        send(id, change, problem, changed);
    };
    let navigate = use_navigate();
    let offer = offer_undo();
    let gone = Callback::new(move |deletion: Deletion| {
        offer.run(deletion);
        navigate(&to("/"), NavigateOptions::default());
    });
    let delete = Callback::new(move |()| {
        problem.set(None);
        spawn_local(async move {
            match api::delete_for::<Deletion>(format!("/studies/{id}")).await {
                Ok(deletion) => drop(gone.try_run(deletion)),
                Err(refused) => drop(problem.try_set(Some(refused))),
            }
        });
    });
    view! {
        <form class="panel study-edit" on:submit=save>
            <div class="field">
                <div class="field-head"><label for="study-name">"Name"</label></div>
                <input id="study-name" type="text" maxlength="120" autocomplete="off" prop:value=name on:input=move |event| name.set(event_target_value(&event))/>
            </div>
            <div class="field">
                <div class="field-head">
                    <label for="study-tags">"Tags"</label>
                    <span class="field-range">"separated by commas"</span>
                </div>
                <input id="study-tags" type="text" autocomplete="off" prop:value=tags on:input=move |event| tags.set(event_target_value(&event))/>
            </div>
            <div class="field study-edit-notes">
                <div class="field-head"><label for="study-notes">"Notes"</label></div>
                <textarea id="study-notes" rows="3" maxlength="20000" prop:value=notes on:input=move |event| notes.set(event_target_value(&event))></textarea>
            </div>
            {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
            <div class="study-edit-actions">
                <button type="submit" class="button button-main">"Save"</button>
                <button type="button" class="button button-quiet" on:click=move |_| open.set(false)>"Close"</button>
                <span class="spring"></span>
                <button type="button" class="button button-quiet" on:click=archive>
                    <Icon glyph=Glyph::Archive/>
                    {move || if archived.get() { "Take out of the archive" } else { "Archive" }}
                </button>
                <Confirm
                    glyph=Glyph::Trash
                    label="Delete"
                    question="Delete this study, its results and the files of runs that no other study uses? This can be undone for 10 minutes."
                    yes="Delete the study"
                    act=delete
                />
            </div>
        </form>
    }
}
