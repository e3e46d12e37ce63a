//! The notices that the server was lost, that it cannot write, and that its disk will soon be full.

use leptos::prelude::*;
use shared::api::Health;

use super::overview;
use crate::{
    api,
    base::to,
    components::{Glyph, Icon},
};

/// Shown above the page while the server does not respond, cannot write, or has little space left.
#[component]
pub fn ServerNotice() -> impl IntoView {
    let lost = api::server_lost();
    let health = overview::part(|overview| Some(overview.health.clone()));
    let told = move |text: fn(Health) -> Option<String>| {
        let health = health.get()?;
        let advice = health.advice.clone();
        text(health).map(|text| (text, advice))
    };
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
                told(|health| health.problem)
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
                told(|health| health.warning)
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
