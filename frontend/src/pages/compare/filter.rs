//! The filter: an expression with proposals while it is typed, its conditions as chips, and saved views.

use leptos::{ev, html::Input, prelude::*};
use shared::api::Problem;

use super::{
    Explorer,
    condition::Condition,
    expression::{Proposal, Proposals, conjuncts, proposals, without},
    saved::Saved,
};
use crate::components::{FieldMessage, Glyph, Icon, ProblemBox};

/// The panel above figure and table.
#[component]
pub fn FilterPanel(
    explorer: Explorer,
    /// Why the server refuses the filter.
    problem: Signal<Option<Problem>>,
    /// How many runs are selected.
    told: Signal<String>,
) -> impl IntoView {
    let conditions = Memo::new(move |_| explorer.view.with(|view| conjuncts(&view.filter)));
    let message = Memo::new(move |_| {
        let problem = problem.get()?;
        problem
            .errors
            .iter()
            .find(|error| error.field == "filter")
            .map(|error| error.message.clone())
    });
    let other = move || problem.get().filter(|_| message.with(Option::is_none));
    let chips = move || {
        conditions
            .get()
            .into_iter()
            .enumerate()
            .map(|(at, condition)| {
                let label = format!("Remove the condition {condition}");
                view! {
                    <li>
                        <code>{condition}</code>
                        <button
                            type="button"
                            aria-label=label.clone()
                            title=label
                            on:click=move |_| {
                                explorer
                                    .change(|view| {
                                        view.filter = without(&view.filter, at);
                                        view.offset = 0;
                                    });
                            }
                        >
                            <Icon glyph=Glyph::Close/>
                        </button>
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <section class="filter-panel" role="search" aria-label="Filter the runs">
            <div class="filter-row">
                <Expression explorer wrong=Signal::derive(move || message.with(Option::is_some))/>
                <Saved explorer/>
            </div>
            <FieldMessage id="filter-error".to_owned() message/>
            {move || other().map(|problem| view! { <ProblemBox problem/> })}
            <div class="filter-row">
                <strong class="filter-told" role="status">{told}</strong>
                <Show when=move || conditions.with(|conditions| !conditions.is_empty())>
                    <ul class="condition-list" aria-label="Conditions">{chips}</ul>
                </Show>
                <Condition explorer/>
            </div>
        </section>
    }
}

/// The expression as text.
#[component]
fn Expression(
    explorer: Explorer,
    /// Whether the server refuses it.
    wrong: Signal<bool>,
) -> impl IntoView {
    let input = NodeRef::<Input>::new();
    let text = RwSignal::new(String::new());
    Effect::new(move |_| text.set(explorer.view.with(|view| view.filter.clone())));
    let found = RwSignal::new(Proposals::default());
    let at = RwSignal::new(None::<usize>);
    let cursor = move || {
        let element = input.get_untracked()?;
        let position = element.selection_start().ok().flatten()? as usize;
        // The browser counts UTF-16 units.
        let typed = element.value();
        let mut units = 0;
        let end = typed.char_indices().find(|(_, letter)| {
            let here = units >= position;
            units += letter.len_utf16();
            here
        });
        Some(end.map_or(typed.len(), |(byte, _)| byte))
    };
    let propose = move || {
        let typed = text.get_untracked();
        let end = cursor().unwrap_or(typed.len()).min(typed.len());
        found.set(explorer.all.with_untracked(|columns| proposals(&typed[..end], columns)));
        at.set(None);
    };
    let close = move || {
        found.set(Proposals::default());
        at.set(None);
    };
    let apply = move || {
        close();
        let typed = text.get_untracked().trim().to_owned();
        if explorer.view.with_untracked(|view| view.filter != typed) {
            explorer.change(|view| {
                view.filter = typed;
                view.offset = 0;
            });
        }
    };
    let take = move |proposal: &Proposal| {
        let typed = text.get_untracked();
        let end = cursor().unwrap_or(typed.len()).min(typed.len());
        let from = found.with_untracked(|found| found.from).min(end);
        let head = format!("{}{} ", &typed[..from], proposal.text);
        let units = head.encode_utf16().count() as u32;
        text.set(format!("{head}{}", typed[end..].trim_start()));
        close();
        if let Some(element) = input.get_untracked() {
            element.set_value(&text.get_untracked());
            let _ = element.focus();
            let _ = element.set_selection_range(units, units);
        }
        propose();
    };
    let pressed = move |event: ev::KeyboardEvent| {
        let count = found.with_untracked(|found| found.items.len());
        match event.key().as_str() {
            "ArrowDown" if count > 0 => {
                event.prevent_default();
                at.update(|at| *at = Some(at.map_or(0, |at| (at + 1) % count)));
            }
            "ArrowUp" if count > 0 => {
                event.prevent_default();
                at.update(|at| *at = Some(at.map_or(count - 1, |at| (at + count - 1) % count)));
            }
            "Enter" | "Tab" if at.get_untracked().is_some() => {
                event.prevent_default();
                let proposal = at
                    .get_untracked()
                    .and_then(|at| found.with_untracked(|found| found.items.get(at).cloned()));
                if let Some(proposal) = proposal {
                    take(&proposal);
                }
            }
            "Enter" => apply(),
            "Escape" if count > 0 => {
                event.prevent_default();
                close();
            }
            _ => {}
        }
    };
    let list = move || {
        let items = found.with(|found| found.items.clone());
        items
            .into_iter()
            .enumerate()
            .map(|(place, item)| {
                let here = move || if at.get() == Some(place) { "true" } else { "false" };
                let chosen = item.clone();
                view! {
                    <li
                        id=format!("proposal-{place}")
                        role="option"
                        aria-selected=here
                        on:mousedown=move |event: ev::MouseEvent| {
                            event.prevent_default();
                            take(&chosen);
                        }
                    >
                        <code>{item.text}</code>
                        <span class="muted">{item.title}</span>
                    </li>
                }
            })
            .collect_view()
    };
    let open = Memo::new(move |_| found.with(|found| !found.items.is_empty()));
    view! {
        <div class="expression">
            <label class="search" class:field-wrong=wrong>
                <span class="visually-hidden">"Filter"</span>
                <Icon glyph=Glyph::Search/>
                <input
                    type="text"
                    id="filter"
                    node_ref=input
                    placeholder="kind == \"probe\" && asr > 50"
                    autocomplete="off"
                    spellcheck="false"
                    role="combobox"
                    aria-autocomplete="list"
                    aria-controls="filter-proposals"
                    aria-expanded=move || if open.get() { "true" } else { "false" }
                    aria-activedescendant=move || at.get().map(|at| format!("proposal-{at}"))
                    aria-describedby="filter-error"
                    aria-invalid=move || if wrong.get() { "true" } else { "false" }
                    prop:value=text
                    on:input=move |event: ev::Event| {
                        text.set(event_target_value(&event));
                        propose();
                    }
                    on:keydown=pressed
                    on:change=move |_| apply()
                    on:blur=move |_| close()
                />
            </label>
            <ul
                class="proposals"
                class:proposals-open=open
                id="filter-proposals"
                role="listbox"
                aria-label="Columns and values"
            >
                {list}
            </ul>
        </div>
    }
}
