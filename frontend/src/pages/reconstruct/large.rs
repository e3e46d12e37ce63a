//! An enlarged tile, over the page.

use leptos::prelude::*;

use super::tile::Large;
use crate::components::{Glyph, Icon, Modal, PixelCanvas};

/// The dialog, which has a button that closes it, too.
#[component]
pub fn LargeView(
    /// What is open.
    large: Large,
) -> impl IntoView {
    let image = Signal::derive(move || large.get().and_then(|(_, image)| image.get()));
    let title = Signal::derive(move || large.get().map(|(title, _)| title).unwrap_or_default());
    view! {
        <Modal
            class="large"
            open=Signal::derive(move || large.with(Option::is_some))
            close=Callback::new(move |()| large.set(None))
            label=title
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
        </Modal>
    }
}
