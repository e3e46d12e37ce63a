//! The table of studies.

use leptos::prelude::*;
use shared::{RunState, api::StudySummary};

use super::choice::Choice;
use crate::{
    api,
    attack::TriggerGlyph,
    base::to,
    components::{Glyph, Icon, ProgressBar, SortHead, StateBadge, format, next_sort},
};

/// Number of runs of a study: all, those done, and those that are queued or running.
pub fn run_counts(study: &StudySummary) -> (u32, u32, u32) {
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

/// A column: its name in `sort`, its head, what it is, and whether it has numbers.
type Column = (&'static str, &'static str, &'static str, bool);

/// The columns.
const COLUMNS: [Column; 6] = [
    ("name", "Study", "Name, in alphabetical order", false),
    ("dataset", "Data set", "Data set, in alphabetical order", false),
    ("done", "Runs done", "Number of runs that are done", true),
    ("asr", "Best ASR", "Highest attack success rate of a finished run", true),
    ("ca", "its CA", "Clean accuracy of that run", true),
    ("created", "Created", "When the study was created", true),
];

/// How the server sorts unless asked otherwise.
const DEFAULT: &str = "-created";

/// The table.
#[component]
pub fn StudyTable(
    /// A page of them.
    studies: Vec<StudySummary>,
    /// What they are sorted by.
    choice: Choice,
) -> impl IntoView {
    let now = js_sys::Date::now() as u64;
    let rows = studies.into_iter().map(|study| view! { <StudyLine study now/> }).collect_view();
    let sort = Memo::new(move |_| {
        let sort = choice.sort();
        if sort.is_empty() { DEFAULT.to_owned() } else { sort }
    });
    let heads = COLUMNS
        .map(|(name, head, title, number)| {
            let chosen = Callback::new(move |name: String| {
                let next = next_sort(&sort.get_untracked(), &name, number);
                choice.sort_by(if next == DEFAULT { String::new() } else { next });
            });
            // The runs are a bar, aligned left.
            let number = number && name != "done";
            view! { <SortHead name=name.to_owned() head=head.to_owned() title number sort chosen/> }
        })
        .into_iter()
        .collect_view();
    view! {
        <div class="table-box">
            <table class="table studies">
                <thead>
                    <tr>
                        {heads}
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
    let trigger = study.trigger_varies.unwrap_or_else(|| study.trigger.label());
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
