//! The state of a run: an icon and a word.

use leptos::prelude::*;
use shared::RunState;

use super::{Glyph, Icon};

/// The icon of a state.
fn glyph(state: RunState) -> Glyph {
    match state {
        RunState::Queued => Glyph::Clock,
        RunState::Running => Glyph::Running,
        RunState::Done => Glyph::Check,
        RunState::Failed => Glyph::Alert,
        RunState::Interrupted => Glyph::Broken,
        RunState::Cancelled => Glyph::Ban,
    }
}

/// A state as icon and word, optionally with a number in front.
#[component]
pub fn StateBadge(
    /// The state.
    state: RunState,
    /// Number of runs in it.
    #[prop(optional_no_strip)]
    count: Option<u32>,
) -> impl IntoView {
    view! {
        <span class=format!("state state-{state}")>
            <Icon glyph=glyph(state)/>
            {count.map(|count| format!("{count} "))}
            <span class="state-word">{state.as_str()}</span>
        </span>
    }
}
