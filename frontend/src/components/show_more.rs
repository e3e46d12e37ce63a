//! The button that shows more of a list.

use leptos::prelude::*;

use super::format;

/// The button below a list of which a part is shown. Once pressed it stays, and the focus with it.
#[component]
pub fn ShowMore(
    /// How many are left.
    #[prop(into)]
    rest: Signal<u64>,
    /// Whether no more can be shown.
    #[prop(into)]
    full: Signal<bool>,
    /// Shows more.
    more: Callback<()>,
) -> impl IntoView {
    let pressed = RwSignal::new(false);
    let ended = Memo::new(move |_| rest.get() == 0 || full.get());
    let text = move || match rest.get() {
        0 => "All are shown".to_owned(),
        rest => format!("Show more ({} left)", format::count(rest)),
    };
    view! {
        <Show when=move || rest.get() != 0 || pressed.get()>
            <button
                type="button"
                class="button"
                aria-disabled=move || ended.get().then_some("true")
                on:click=move |_| {
                    if !ended.get_untracked() {
                        pressed.set(true);
                        more.run(());
                    }
                }
            >
                {text}
            </button>
        </Show>
    }
}
