//! Fields that take one of a few values, and switches.

use leptos::{ev, prelude::*};
use shared::StudySpec;

use super::draft::Draft;
use crate::components::{Field, Segmented};

/// A switch of the specification.
pub struct Switch {
    /// Path of the field.
    pub path: &'static str,
    /// What it is.
    pub label: &'static str,
    /// What holds when nothing is chosen.
    pub default: bool,
    /// What it does, in one line.
    pub why: &'static str,
    /// Reads it.
    pub get: fn(&StudySpec) -> bool,
    /// Writes it.
    pub set: fn(&mut StudySpec, bool),
}

/// The control of a switch.
#[component]
pub fn SwitchField(
    /// The switch.
    switch: &'static Switch,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let on = draft.part(move |spec| (switch.get)(spec));
    let default = if switch.default { "default on" } else { "default off" };
    view! {
        <Field
            path=switch.path
            label=switch.label
            range=Signal::stored(default.to_owned())
            why=switch.why
            error=draft.error_at(switch.path)
            control=move |id, about| {
                view! {
                    <span class="switch">
                        <input
                            type="checkbox"
                            id=id
                            aria-describedby=about
                            prop:checked=move || on.get()
                            on:change=move |event: ev::Event| {
                                let on = event_target_checked(&event);
                                draft.edit(|spec| (switch.set)(spec, on));
                            }
                        />
                        <span aria-hidden="true">{move || if on.get() { "on" } else { "off" }}</span>
                    </span>
                }
            }
        />
    }
}

/// A field that takes one of a few values.
#[component]
pub fn Choice<T: Copy + PartialEq + Send + Sync + 'static>(
    /// Path in the specification.
    path: &'static str,
    /// The field's name.
    label: &'static str,
    /// What tells it from a field of the same name, for readers of the screen.
    group: &'static str,
    /// The value that holds when nothing is chosen.
    default: &'static str,
    /// What it does.
    why: &'static str,
    /// The values and their names.
    choices: Vec<(T, &'static str)>,
    /// Reads it.
    get: fn(&StudySpec) -> T,
    /// Writes it.
    set: fn(&mut StudySpec, T),
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let value = draft.part(get);
    let choices = choices.into_iter().map(|(value, name)| (value, name.to_owned())).collect();
    view! {
        <div class="field" data-field=path>
            <div class="field-head">
                <span class="field-label">{label}</span>
                <span class="field-range">{format!("default {default}")}</span>
            </div>
            <Segmented
                label=format!("{label} {group}")
                choices=choices
                value=Signal::derive(move || Some(value.get()))
                choose=Callback::new(move |choice| draft.edit(|spec| set(spec, choice)))
            />
            <span class="field-why">{why}</span>
        </div>
    }
}
