//! A dialog over the page.

use leptos::{html::Dialog, prelude::*};

/// A dialog with its content while it is open; closed by Escape and by a click outside.
#[component]
pub fn Modal(
    /// Whether it is open.
    #[prop(into)]
    open: Signal<bool>,
    /// Called when it is closed.
    close: Callback<()>,
    /// Class of its style.
    class: &'static str,
    /// Its name.
    #[prop(into)]
    label: Signal<String>,
    /// What is in it.
    children: ChildrenFn,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match open.get() {
            // Fails only for a dialog that is open already.
            true if !dialog.open() => drop(dialog.show_modal()),
            false if dialog.open() => dialog.close(),
            _ => {}
        }
    });
    let outside = move |event: leptos::ev::MouseEvent| {
        if event.target() == event.current_target() {
            close.run(());
        }
    };
    view! {
        <dialog
            class=class
            node_ref=dialog
            aria-label=move || label.get()
            on:close=move |_| close.run(())
            on:click=outside
        >
            <Show when=move || open.get()>{children()}</Show>
        </dialog>
    }
}
