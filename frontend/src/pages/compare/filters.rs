//! The filters of the run table, which are kept in the address.

use leptos::{ev, prelude::*};
use leptos_router::hooks::query_signal_with_options;
use shared::{RunKind, RunState, api::StudySummary, trigger::CATALOGUE};

use super::table::here;
use crate::components::{Glyph, Icon};

/// A filter with a few options.
#[component]
fn Choice(
    id: &'static str,
    label: &'static str,
    /// Values and their names.
    #[prop(into)]
    choices: Signal<Vec<(String, String)>>,
    value: Memo<Option<String>>,
    choose: Callback<Option<String>>,
) -> impl IntoView {
    let options = move || {
        let now = value.get().unwrap_or_default();
        choices
            .get()
            .into_iter()
            .map(|(value, name)| {
                let chosen = value == now;
                view! { <option value=value selected=chosen>{name}</option> }
            })
            .collect_view()
    };
    view! {
        <label class="filter">
            <span>{label}</span>
            <span class="select">
                <select
                    id=id
                    on:change=move |event: ev::Event| {
                        let text = event_target_value(&event);
                        choose.run((!text.is_empty()).then_some(text));
                    }
                >
                    <option value="">"all"</option>
                    {options}
                </select>
            </span>
        </label>
    }
}

fn named<T: ToString>(values: &[(T, &str)]) -> Vec<(String, String)> {
    values.iter().map(|(value, name)| (value.to_string(), (*name).to_owned())).collect()
}

/// The filters.
#[component]
pub fn Filters(
    /// All studies.
    studies: Memo<Vec<StudySummary>>,
) -> impl IntoView {
    let (study, set_study) = query_signal_with_options::<String>("study", here());
    let (kind, set_kind) = query_signal_with_options::<String>("kind", here());
    let (state, set_state) = query_signal_with_options::<String>("state", here());
    let (trigger, set_trigger) = query_signal_with_options::<String>("trigger", here());
    let (search, set_search) = query_signal_with_options::<String>("search", here());
    let (_, set_offset) = query_signal_with_options::<u64>("offset", here());
    let filter = move |set: SignalSetter<Option<String>>| {
        Callback::new(move |value: Option<String>| {
            set_offset.set(None);
            set.set(value);
        })
    };
    let study_choices = Signal::derive(move || {
        studies.with(|all| {
            all.iter().map(|study| (study.id.to_string(), study.name.clone())).collect::<Vec<_>>()
        })
    });
    let of_run: Vec<_> = RunKind::ALL.map(|it| (it.as_str(), it.title())).into();
    let states: Vec<_> = RunState::ALL.map(|it| (it.as_str(), it.as_str())).into();
    let mut kinds: Vec<_> = CATALOGUE.iter().map(|entry| entry.spec(32, 4).kind()).collect();
    kinds.dedup();
    let triggers = named(&kinds.into_iter().map(|kind| (kind, kind)).collect::<Vec<_>>());
    view! {
        <div class="filters" role="search" aria-label="Filter the runs">
            <label class="search">
                <span class="visually-hidden">"Search studies, triggers and data sets"</span>
                <Icon glyph=Glyph::Search/>
                <input
                    type="search"
                    id="run-search"
                    placeholder="Search"
                    prop:value=move || search.get().unwrap_or_default()
                    on:input=move |event: ev::Event| {
                        let text = event_target_value(&event);
                        filter(set_search).run((!text.is_empty()).then_some(text));
                    }
                />
            </label>
            <Choice
                id="filter-study"
                label="Study"
                choices=study_choices
                value=study
                choose=filter(set_study)
            />
            <Choice
                id="filter-kind"
                label="Kind"
                choices=Signal::stored(named(&of_run))
                value=kind
                choose=filter(set_kind)
            />
            <Choice
                id="filter-state"
                label="State"
                choices=Signal::stored(named(&states))
                value=state
                choose=filter(set_state)
            />
            <Choice
                id="filter-trigger"
                label="Trigger"
                choices=Signal::stored(triggers)
                value=trigger
                choose=filter(set_trigger)
            />
        </div>
    }
}
