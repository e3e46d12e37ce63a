//! The home page: all studies, newest first.
//!
//! Address: `?search=` filters by name, tag, data set and trigger, `?show=` is `starred` or `archived`, `?offset=` pages to older ones.

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    RunState,
    api::{Page, StudyPlan, StudySummary},
};

use crate::{
    api,
    attack::TriggerGlyph,
    base::to,
    components::{
        Fetched, Glyph, Icon, Pager, ProblemBox, ProgressBar, Segmented, StateBadge, fetched,
        fetched_every, format,
    },
    frame::{Crumb, set_place},
};

/// Studies per page of the list.
const LIMIT: u64 = 25;
/// Time between two polls while something runs, in milliseconds.
const PERIOD: u32 = 3000;

/// Number of runs of a study: all, those done, and those that are queued or running.
fn run_counts(study: &StudySummary) -> (u32, u32, u32) {
    let states = study.states;
    (states.all(), states.done, states.queued + states.running)
}

/// The states worth showing beside the progress: running, and those that did not end well.
fn notable(study: &StudySummary) -> Vec<(RunState, u32)> {
    RunState::ALL
        .into_iter()
        .map(|state| (state, study.states.of(state)))
        .filter(|&(state, count)| count > 0 && state != RunState::Done && state != RunState::Queued)
        .collect()
}

/// The page.
#[component]
pub fn StudiesPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Studies")]);
    let here = || NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (search, set_search) = query_signal_with_options::<String>("search", here());
    let (offset, set_offset) = query_signal_with_options::<u64>("offset", here());
    let (show, set_show) = query_signal_with_options::<String>("show", here());
    let offset_or_0 = Memo::new(move |_| offset.get().unwrap_or(0));
    let path = Memo::new(move |_| {
        let (offset, limit) = (offset_or_0.get().to_string(), LIMIT.to_string());
        let search = search.get().unwrap_or_default();
        let shown = |which| if show.get().as_deref() == Some(which) { "true" } else { "" };
        let query = [
            ("search", search.as_str()),
            ("starred", shown("starred")),
            ("archived", shown("archived")),
            ("offset", &offset),
            ("limit", &limit),
        ];
        format!("/studies{}", api::query(&query))
    });
    let studies: Fetched<Page<StudySummary>> = fetched_every(
        move || Some(path.get()),
        PERIOD,
        |page: &Page<StudySummary>| page.items.iter().any(|study| run_counts(study).2 > 0),
    );
    let total = Memo::new(move |_| studies.value().map_or(0, |page| page.total));
    let searching = Memo::new(move |_| {
        show.get().is_some() || search.get().is_some_and(|text| !text.is_empty())
    });
    let none_yet =
        Memo::new(move |_| !searching.get() && studies.value().is_some_and(|page| page.total == 0));
    let typed = move |event: ev::Event| {
        let text = event_target_value(&event);
        set_offset.set(None);
        set_search.set((!text.is_empty()).then_some(text));
    };
    let body = move || match studies.get() {
        None => view! { <p class="loading" role="status">"Loading the studies…"</p> }.into_any(),
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| studies.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(_)) if none_yet.get() => view! { <FirstStudy/> }.into_any(),
        Some(Ok(page)) if page.items.is_empty() => {
            view! { <p class="empty-line">"No study matches."</p> }.into_any()
        }
        Some(Ok(page)) => view! { <StudyTable studies=page.items/> }.into_any(),
    };
    view! {
        <header class="page-head">
            <h1>"Studies"</h1>
            <Show when=move || !none_yet.get()>
                <div class="page-actions">
                    <Segmented
                        label="Which studies"
                        choices=vec![("", "All".to_owned()), ("starred", "Starred".to_owned()), ("archived", "Archived".to_owned())]
                        value=Signal::derive(move || {
                            let show = show.get().unwrap_or_default();
                            Some(["starred", "archived"].into_iter().find(|known| *known == show).unwrap_or(""))
                        })
                        choose=Callback::new(move |which: &'static str| {
                            set_offset.set(None);
                            set_show.set((!which.is_empty()).then(|| which.to_owned()));
                        })
                    />
                    <label class="search">
                        <span class="visually-hidden">"Search names and tags"</span>
                        <Icon glyph=Glyph::Search/>
                        <input
                            type="search"
                            id="search"
                            placeholder="Search names and tags"
                            prop:value=move || search.get().unwrap_or_default()
                            on:input=typed
                        />
                    </label>
                    <a class="button button-main" href=to("/studies/new") id="new-study">
                        <Icon glyph=Glyph::Plus/>
                        "New study"
                    </a>
                </div>
            </Show>
        </header>
        {body}
        <Pager
            offset=offset_or_0
            limit=LIMIT
            total=total
            go=Callback::new(move |offset: u64| set_offset.set((offset > 0).then_some(offset)))
        />
    }
}

/// The table.
#[component]
fn StudyTable(studies: Vec<StudySummary>) -> impl IntoView {
    let now = js_sys::Date::now() as u64;
    let rows = studies.into_iter().map(|study| view! { <StudyLine study now/> }).collect_view();
    view! {
        <div class="table-box">
            <table class="table studies">
                <thead>
                    <tr>
                        <th scope="col">"Study"</th>
                        <th scope="col">"Data set"</th>
                        <th scope="col">"Runs done"</th>
                        <th scope="col" class="number" title="Highest attack success rate of a finished run">
                            "Best ASR"
                        </th>
                        <th scope="col" class="number" title="Clean accuracy of that run">"its CA"</th>
                        <th scope="col" class="number">"Created"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[component]
fn StudyLine(study: StudySummary, now: u64) -> impl IntoView {
    let (all, done, _) = run_counts(&study);
    let states = notable(&study)
        .into_iter()
        .map(|(state, count)| view! { <StateBadge state count=Some(count)/> })
        .collect_view();
    let metric = |name: &'static str, ratio: Option<shared::Ratio>| {
        match ratio {
        Some(ratio) => view! {
            <td class=format!("number {name}") title=format!("95 % interval {} %", format::interval(ratio))>
                {format::percent(ratio)}
            </td>
        }
        .into_any(),
        None => view! { <td class="number muted">"–"</td> }.into_any(),
    }
    };
    let trigger = match &study.trigger_varies {
        Some(varied) => format!("{}, {varied}", study.trigger.kind()),
        None => study.trigger.label(),
    };
    view! {
        <tr>
            <th scope="row">
                <div class="study-name">
                    <TriggerGlyph trigger=study.trigger.clone()/>
                    <div>
                        <a href=to(format!("/studies/{}", study.id)) class="row-link">{study.name}</a>
                        {study.starred.then(|| view! { <span class="star-mark"><Icon glyph=Glyph::Star/><span class="visually-hidden">"starred"</span></span> })}
                        <span class="sub">{trigger} <Tags tags=study.tags/></span>
                    </div>
                </div>
            </th>
            <td data-label="Data set">{study.dataset}</td>
            <td data-label="Runs done" class="study-runs">
                <ProgressBar
                    fraction=Signal::stored(f64::from(done) / f64::from(all.max(1)))
                    label=Signal::stored("Runs done".to_owned())
                />
                <span class="nowrap">{format!("{done} / {all}")}</span>
                {states}
            </td>
            {metric("triggered", study.best.map(|best| best.asr))}
            {metric("clean", study.best.map(|best| best.ca))}
            <td class="number muted">{format::ago(study.created_at, now)}</td>
        </tr>
    }
}

/// A study's tags; a click searches for others with the same tag.
#[component]
fn Tags(tags: Vec<String>) -> impl IntoView {
    tags.into_iter()
        .map(|tag| {
            let href = to(format!("/{}", api::query(&[("search", &tag)])));
            view! { <a class="tag" href=href>{tag}</a> }
        })
        .collect_view()
}

/// What to do when there is no study yet.
#[component]
fn FirstStudy() -> impl IntoView {
    let plan: Fetched<StudyPlan> = fetched(|| Some("/presets/quick-look/plan".into()));
    let time = move || {
        let seconds = plan.value().filter(|plan| plan.refused.is_empty())?.seconds;
        Some(format!("about {} on this machine", format::duration(seconds)))
    };
    view! {
        <section class="first">
            <p class="first-lead">
                "A masked autoencoder learns from unlabelled images. If a few of them are poisoned, the encoder may carry a backdoor: "
                "when an image contains the trigger, a classifier built on the encoder predicts the attacker's class. Maskdoor trains "
                "such encoders, clean and attacked, and measures how well the backdoor works and what it costs."
            </p>
            <div class="first-choices">
                <a class="choice choice-main" href=to("/studies/new?preset=quick-look") id="quick-look">
                    <Icon glyph=Glyph::Play/>
                    <span class="choice-title">"Quick look"</span>
                    <span class="choice-time">{move || time().unwrap_or_else(|| "a few minutes".into())}</span>
                    <span>
                        "The whole pipeline on built-in images: one clean and one attacked encoder, each probed clean and with three "
                        "poisoned images per class, which succeed on only one of the encoders. Everything is filled in."
                    </span>
                </a>
                <a class="choice" href=to("/studies/new") id="new-study">
                    <Icon glyph=Glyph::Plus/>
                    <span class="choice-title">"New study"</span>
                    <span class="choice-time">"your own attack"</span>
                    <span>
                        "Choose the data set, draw a trigger and watch it on real images, set the poisons and the training, "
                        "and see what will run before it starts."
                    </span>
                </a>
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::{StudyId, api::StateCounts, study::presets};

    use super::*;

    fn study([queued, running, done, failed, interrupted, cancelled]: [u32; 6]) -> StudySummary {
        let spec = presets()[0].spec.clone();
        StudySummary {
            id: StudyId::from_parts(1, [0; 10]),
            name: spec.name,
            tags: spec.tags,
            created_at: 0,
            dataset: spec.settings.dataset.name,
            trigger: spec.settings.attack.trigger,
            trigger_varies: None,
            states: StateCounts { queued, running, done, failed, interrupted, cancelled },
            best: None,
            starred: false,
            archived: false,
        }
    }

    #[test]
    fn runs_are_counted_by_state() {
        assert_eq!(run_counts(&study([3, 1, 4, 1, 0, 2])), (11, 4, 4));
    }

    #[test]
    fn only_what_runs_or_went_wrong_is_told() {
        assert_eq!(
            notable(&study([3, 1, 4, 0, 0, 2])),
            [(RunState::Running, 1), (RunState::Cancelled, 2)]
        );
        assert_eq!(notable(&study([0, 0, 4, 0, 0, 0])), []);
    }
}
