//! A field with its label, unit, reason and error; a choice of a few; a chip.

use leptos::prelude::*;

use super::FieldMessage;

/// A control's identifier from its field's path: `attack.trigger.ratio` is `attack-trigger-ratio`.
fn control_id(path: &str) -> String {
    path.replace('.', "-")
}

/// Label, unit, reason and error around a control. `control` builds the control from its own identifier and that of
/// the texts that describe it.
#[component]
pub fn Field<V: IntoView + 'static>(
    /// Path of the field, whose error is shown here.
    #[prop(into)]
    path: String,
    /// Its label.
    #[prop(into)]
    label: String,
    /// Unit and range, such as `px, 1–32`.
    #[prop(into, optional)]
    range: Signal<String>,
    /// Why it matters, in one line.
    #[prop(into, optional)]
    why: String,
    /// What is wrong.
    #[prop(into)]
    error: Signal<Option<String>>,
    /// Builds the control from its identifier and that of the texts that describe it.
    control: impl FnOnce(String, String) -> V,
) -> impl IntoView {
    let id = control_id(&path);
    let about = format!("{id}-about");
    let message = format!("{id}-error");
    let control = control(id.clone(), format!("{about} {message}"));
    view! {
        <div class="field" class:field-wrong=move || error.with(Option::is_some) data-field=path>
            <div class="field-head">
                <label for=id>{label}</label>
                <span class="field-range">{move || range.get()}</span>
            </div>
            {control}
            <FieldMessage id=message message=error/>
            {if why.is_empty() {
                view! { <span id=about></span> }.into_any()
            } else {
                view! { <span class="field-why" id=about>{why}</span> }.into_any()
            }}
        </div>
    }
}

/// A choice between a few options, side by side.
#[component]
pub fn Segmented<T>(
    /// What is chosen.
    #[prop(into)]
    label: String,
    /// The choices with their names.
    choices: Vec<(T, String)>,
    /// The current choice, if there is one.
    #[prop(into)]
    value: Signal<Option<T>>,
    /// Called with the new choice.
    choose: Callback<T>,
) -> impl IntoView
where
    T: Copy + PartialEq + Send + Sync + 'static,
{
    let buttons = choices
        .into_iter()
        .map(|(choice, name)| {
            let pressed = move || if value.get() == Some(choice) { "true" } else { "false" };
            view! {
                <button type="button" aria-pressed=pressed on:click=move |_| choose.run(choice)>
                    {name}
                </button>
            }
        })
        .collect_view();
    view! { <div class="segmented" role="group" aria-label=label>{buttons}</div> }
}

/// A chip that is on or off.
#[component]
pub fn ChipButton(
    /// Its text.
    #[prop(into)]
    label: String,
    /// Its name, where the text alone does not tell what it belongs to; has the text within it.
    #[prop(optional, into)]
    name: Option<String>,
    /// What it does.
    #[prop(optional, into)]
    title: Option<String>,
    /// Whether it is on.
    #[prop(into)]
    on: Signal<bool>,
    /// Toggles it.
    toggle: Callback<()>,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="chip"
            title=title
            aria-label=name
            aria-pressed=move || if on.get() { "true" } else { "false" }
            on:click=move |_| toggle.run(())
        >
            {label}
        </button>
    }
}

#[cfg(test)]
mod tests {
    use super::control_id;

    #[test]
    fn an_identifier_holds_no_points() {
        assert_eq!(control_id("attack.trigger.ratio"), "attack-trigger-ratio");
    }
}
