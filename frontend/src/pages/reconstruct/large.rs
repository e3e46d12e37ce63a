//! An enlarged tile, over the page.

use leptos::{html::Dialog, prelude::*};

use super::tile::Large;
use crate::components::{Glyph, Icon, PixelCanvas};

/// The dialog; closed by its button, by Escape or by a click outside.
#[component]
pub fn LargeView(
    /// What is open.
    large: Large,
) -> impl IntoView {
    let dialog = NodeRef::<Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match large.with(Option::is_some) {
            // Fails only for a dialog that is open already.
            true if !dialog.open() => drop(dialog.show_modal()),
            false if dialog.open() => dialog.close(),
            _ => {}
        }
    });
    let image = Signal::derive(move || large.get().and_then(|(_, image)| image.get()));
    let title = Signal::derive(move || large.get().map(|(title, _)| title).unwrap_or_default());
    let beside = move |event: leptos::ev::MouseEvent| {
        let on_itself = event.target() == event.current_target();
        if on_itself {
            large.set(None);
        }
    };
    view! {
        <dialog
            class="large"
            node_ref=dialog
            aria-label=move || title.get()
            on:close=move |_| large.set(None)
            on:click=beside
        >
            <div class="large-head">
                <h2>{move || title.get()}</h2>
                <button
                    type="button"
                    class="icon-button"
                    aria-label="Close"
                    on:click=move |_| large.set(None)
                >
                    <Icon glyph=Glyph::Close/>
                </button>
            </div>
            <PixelCanvas image label=title/>
        </dialog>
    }
}
