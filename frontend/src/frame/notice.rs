//! The notices that the server was lost, and that it cannot write.

use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};

use crate::{
    api,
    components::{Glyph, Icon},
};

/// Time between two looks at the server's health, in milliseconds.
const PERIOD: u32 = 10_000;

/// Shown above the page while the server does not respond, or cannot write.
#[component]
pub fn ServerNotice() -> impl IntoView {
    let lost = api::server_lost();
    let problem = RwSignal::new(None::<(String, Option<String>)>);
    spawn_local(async move {
        loop {
            if !document().hidden()
                && let Some(health) = api::health().await
            {
                let found = health.problem.map(|problem| (problem, health.advice));
                if problem.try_with_untracked(|problem| *problem != found) == Some(true) {
                    problem.try_set(found);
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
        </div>
    }
}

/// The text with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
