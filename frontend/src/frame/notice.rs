//! The notice that the server was lost.

use leptos::prelude::*;

use crate::{
    api,
    components::{Glyph, Icon},
};

/// Stands over the page while the server does not answer.
#[component]
pub fn ServerNotice() -> impl IntoView {
    let lost = api::server_lost();
    view! {
        <div role="status" aria-live="polite">
            {move || {
                lost.get()
                    .then(|| {
                        view! {
                            <p class="notice notice-bad" id="server-lost">
                                <Icon glyph=Glyph::Alert/>
                                <span>
                                    <strong>"The server does not answer. "</strong>
                                    "Runs that have begun go on without it. This page looks for it every few seconds; start it with "
                                    <code>"maskdoor serve"</code> "."
                                </span>
                            </p>
                        }
                    })
            }}
        </div>
    }
}
