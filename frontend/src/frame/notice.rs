//! The notices that the server was lost, that it cannot write, and that its disk will soon be full.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    base::to,
    components::{Glyph, Icon},
};

/// Time between two looks at the server's health, in milliseconds.
const PERIOD: u32 = 10_000;

/// Shown above the page while the server does not respond, cannot write, or has little space left.
#[component]
pub fn ServerNotice() -> impl IntoView {
    let lost = api::server_lost();
    let problem = RwSignal::new(None::<(String, Option<String>)>);
    let warning = RwSignal::new(None::<(String, Option<String>)>);
    spawn_local(async move {
        loop {
            if !document().hidden()
                && let Some(health) = api::health().await
            {
                let advice = health.advice;
                for (signal, text) in [(problem, health.problem), (warning, health.warning)] {
                    let found = text.map(|text| (text, advice.clone()));
                    if signal.try_with_untracked(|known| *known != found) == Some(true) {
                        signal.try_set(found);
                    }
                }
            }
            TimeoutFuture::new(PERIOD).await;
        }
    });
    view! {
        <div role="status" aria-live="polite">
            {move || {
                lost.get()
                    .then(|| {
                        view! {
                            <p class="notice notice-bad" id="server-lost">
                                <Icon glyph=Glyph::Alert/>
                                <span>
                                    <strong>"The server is not responding. "</strong>
                                    "Runs that have started continue without it. This page retries every few seconds; start the server with "
                                    <code>"maskdoor serve"</code> "."
                                </span>
                            </p>
                        }
                    })
            }}
            {move || {
                problem
                    .get()
                    .map(|(problem, advice)| {
                        view! {
                            <p class="notice notice-bad" id="cannot-write">
                                <Icon glyph=Glyph::Alert/>
                                <span>
                                    <strong>"Nothing can be stored. "</strong>
                                    {format!("{}. {}", sentence(&problem), advice.unwrap_or_default())}
                                </span>
                            </p>
                        }
                    })
            }}
            {move || {
                warning
                    .get()
                    .map(|(warning, advice)| {
                        view! {
                            <p class="notice notice-warn" id="low-space">
                                <Icon glyph=Glyph::Alert/>
                                <span>
                                    {format!("{}. {}. ", sentence(&warning), advice.unwrap_or_default())}
                                    <a href=to("/system#disk")>"What takes up the disk"</a>
                                </span>
                            </p>
                        }
                    })
            }}
        </div>
    }
}

/// The text with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
