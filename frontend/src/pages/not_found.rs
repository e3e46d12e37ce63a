//! What an unknown address shows.

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page of an address that leads nowhere.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Not found")]);
    view! {
        <section class="empty">
            <h1>"There is no page at this address"</h1>
            <p>"It may have been a study that was deleted, or a mistyped address."</p>
            <p><a class="button" href="/">"To the studies"</a></p>
        </section>
    }
}
