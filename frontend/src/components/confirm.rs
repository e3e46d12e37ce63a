//! A button for a serious action, which asks for confirmation in place.

use leptos::prelude::*;

use super::{Glyph, Icon};

/// A button that asks before it acts.
#[component]
pub fn Confirm(
    /// Icon of the button.
    glyph: Glyph,
    /// Label of the button.
    #[prop(into)]
    label: String,
    /// The question, which says what will and will not be lost.
    #[prop(into)]
    question: String,
    /// Label of the button that confirms.
    #[prop(into)]
    yes: String,
    /// The action.
    act: Callback<()>,
    /// Whether the action is in progress.
    #[prop(into, optional)]
    busy: Signal<bool>,
) -> impl IntoView {
    let asking = RwSignal::new(false);
    let decide = move |_| {
        asking.set(false);
        act.run(());
    };
    view! {
        {move || {
            if asking.get() {
                view! {
                    <span class="confirm" role="group" aria-label=question.clone()>
                        <span>{question.clone()}</span>
                        <button type="button" class="button button-bad" on:click=decide autofocus>
                            {yes.clone()}
                        </button>
                        <button type="button" class="button" on:click=move |_| asking.set(false)>
                            "Keep"
                        </button>
                    </span>
                }
                    .into_any()
            } else {
                view! {
                    <button
                        type="button"
                        class="button button-quiet"
                        disabled=move || busy.get()
                        on:click=move |_| asking.set(true)
                    >
                        <Icon glyph/>
                        {label.clone()}
                    </button>
                }
                    .into_any()
            }
        }}
    }
}
