//! The result that came last.

use leptos::prelude::*;
use shared::api;

use crate::{base::to, components::format, frame::newest};

/// The result that came last, in a line; nothing while there is none.
#[component]
pub fn Newest() -> impl IntoView {
    let newest = newest();
    let line = |newest: api::Newest| {
        let href = to(format!("/studies/{}?run={}", newest.study, newest.run));
        let now = js_sys::Date::now() as u64;
        view! {
            <p class="newest">
                "Newest result: "
                <a href=href>{newest.study_name}</a>
                ", "
                {newest.label}
                ": CA "
                <strong class="clean">{format::percent(newest.metrics.ca)}</strong>
                ", ASR "
                <strong class="triggered">{format::percent(newest.metrics.asr)}</strong>
                <span class="muted">", "{format::ago(newest.ended_at, now)}</span>
            </p>
        }
    };
    move || newest.get().map(line)
}
