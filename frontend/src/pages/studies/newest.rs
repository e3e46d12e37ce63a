//! The result that came last.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use shared::api;

use crate::{base::to, components::format, frame::newest};

/// How often a shown age is renewed, in milliseconds.
const MINUTE: u32 = 60_000;

/// The result that came last, in a line; nothing while there is none.
#[component]
pub fn Newest() -> impl IntoView {
    let newest = newest();
    let now = RwSignal::new(js_sys::Date::now() as u64);
    spawn_local(async move {
        loop {
            TimeoutFuture::new(MINUTE).await;
            // Until the page is gone.
            if now.try_set(js_sys::Date::now() as u64).is_some() {
                return;
            }
        }
    });
    let line = move |newest: api::Newest| {
        let href = to(format!("/studies/{}?run={}", newest.study, newest.run));
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
                <span class="muted">", "{move || format::ago(newest.ended_at, now.get())}</span>
            </p>
        }
    };
    move || newest.get().map(line)
}
