//! What surrounds each page: rail, top bar, running jobs, what Ctrl+K finds, theme, sign-out, the notice of a lost server, and the offer to undo a deletion.

mod account;
mod jobs;
mod notice;
mod overview;
mod palette;
mod place;
mod rail;
mod theme;
mod top;
mod undo;

use leptos::prelude::*;
use shared::api::Newest;

pub use place::{Crumb, set_place};
pub use undo::offer_undo;

/// Whether a run is running.
pub fn anything_runs() -> Memo<bool> {
    let running = overview::part(|overview| overview.running);
    Memo::new(move |_| running.get().is_some_and(|running| running.count > 0))
}

/// The result that came last.
pub fn newest() -> Memo<Option<Newest>> {
    overview::part(|overview| overview.newest.clone())
}

/// The frame around a page.
#[component]
pub fn Frame(children: Children) -> impl IntoView {
    place::provide();
    overview::provide();
    undo::provide();
    view! {
        <a class="skip" href="#main">"Skip to content"</a>
        <div class="frame">
            <rail::Rail/>
            <div class="frame-body">
                <top::Top/>
                <notice::ServerNotice/>
                <main id="main" class="page" tabindex="-1">{children()}</main>
            </div>
        </div>
        <undo::UndoOffer/>
    }
}
