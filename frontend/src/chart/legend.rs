//! The legend of a figure as switches that show and hide groups of marks.

use leptos::{ev, prelude::*};
use shared::chart::{Drawing, Switch};

/// The hidden groups after a click on `group`: it is hidden, or shown again.
fn toggled(hidden: &[String], group: &str) -> Vec<String> {
    let mut hidden = hidden.to_vec();
    match hidden.iter().position(|one| one == group) {
        Some(at) => drop(hidden.remove(at)),
        None => hidden.push(group.to_owned()),
    }
    hidden
}

/// The hidden groups when `group` is shown alone among `groups`; none if it already is.
fn isolated(hidden: &[String], group: &str, groups: &[String]) -> Vec<String> {
    let others: Vec<String> = groups.iter().filter(|one| *one != group).cloned().collect();
    let alone =
        !hidden.iter().any(|one| one == group) && others.iter().all(|other| hidden.contains(other));
    if alone { Vec::new() } else { others }
}

/// What the figure hides, and how that changes.
#[derive(Clone, Copy, Debug)]
pub struct Hiding {
    /// The hidden groups.
    pub hidden: Signal<Vec<String>>,
    /// Hides these instead.
    pub hide: Callback<Vec<String>>,
}

/// The switches, over the entries that the drawing shows.
#[component]
pub fn Legend(drawing: Memo<Drawing>, hiding: Hiding) -> impl IntoView {
    let groups = Memo::new(move |_| {
        let group = |switch: &Switch| switch.group.clone();
        drawing.with(|drawing| drawing.switches.iter().map(group).collect::<Vec<_>>())
    });
    view! {
        <div class="chart-legend" role="group" aria-label="Legend">
            <For each=move || groups.get() key=Clone::clone let:group>
                <Entry drawing hiding groups group/>
            </For>
        </div>
    }
}

#[component]
fn Entry(
    drawing: Memo<Drawing>,
    hiding: Hiding,
    groups: Memo<Vec<String>>,
    group: String,
) -> impl IntoView {
    let own = group.clone();
    let switch = Memo::new(move |_| {
        drawing.with(|drawing| drawing.switches.iter().find(|one| one.group == own).cloned())
    });
    let share = move |of: fn(&Switch) -> f32, whole: fn(&Drawing) -> u32| {
        move || {
            let at = switch.with(|switch| switch.as_ref().map_or(0.0, of));
            drawing.with(|drawing| format!("{:.3}%", at / whole(drawing) as f32 * 100.0))
        }
    };
    let (width, height) = (|drawing: &Drawing| drawing.width, |drawing: &Drawing| drawing.height);
    let label = move || switch.with(|switch| switch.as_ref().map(|one| one.label.clone()));
    let pressed = move || {
        let shown = switch.with(|switch| switch.as_ref().is_some_and(|one| !one.off));
        if shown { "true" } else { "false" }
    };
    let change = move |group: &str, alone: bool| {
        let hidden = hiding.hidden.get_untracked();
        hiding.hide.run(if alone {
            groups.with_untracked(|groups| isolated(&hidden, group, groups))
        } else {
            toggled(&hidden, group)
        });
    };
    let (clicked, twice, typed) = (group.clone(), group.clone(), group);
    view! {
        <button
            type="button"
            aria-pressed=pressed
            aria-label=label
            title="Click hides or shows; double click or Alt-click shows this alone"
            style:left=share(|one| one.x, width)
            style:top=share(|one| one.y, height)
            style:width=share(|one| one.width, width)
            style:height=share(|one| one.height, height)
            on:pointerdown=|event: ev::PointerEvent| event.stop_propagation()
            on:pointerup=|event: ev::PointerEvent| event.stop_propagation()
            on:click=move |event: ev::MouseEvent| {
                event.stop_propagation();
                change(&clicked, event.alt_key());
            }
            // The two clicks before it have hidden and shown the group again.
            on:dblclick=move |_| change(&twice, true)
            on:keydown=move |event: ev::KeyboardEvent| {
                if event.key() == "Enter" || event.key() == " " {
                    event.stop_propagation();
                    if event.alt_key() {
                        event.prevent_default();
                        change(&typed, true);
                    }
                }
            }
        ></button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_click_hides_and_a_second_one_shows() {
        let hidden = toggled(&[], "a");
        assert_eq!(hidden, ["a"]);
        assert_eq!(toggled(&hidden, "b"), ["a", "b"]);
        assert!(toggled(&hidden, "a").is_empty());
    }

    #[test]
    fn one_alone_and_all_again() {
        let groups = names(&["a", "b", "*"]);
        let hidden = isolated(&[], "a", &groups);
        assert_eq!(hidden, ["b", "*"]);
        assert!(isolated(&hidden, "a", &groups).is_empty());
        assert_eq!(isolated(&names(&["a"]), "a", &groups), ["b", "*"], "it was hidden");
        assert_eq!(isolated(&hidden, "b", &groups), ["a", "*"]);
    }
}
