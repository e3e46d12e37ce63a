//! What an unknown address shows.

use leptos::prelude::*;

use crate::{
    base::to,
    frame::{Crumb, set_place},
};

/// The page of an address that leads nowhere.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Not found")]);
    view! {
        <section class="empty">
            <h1>"There is no page at this address"</h1>
            <p>"The study may have been deleted, or the address mistyped."</p>
            <p><a class="button" href=to("/")>"All studies"</a></p>
        </section>
    }
}
