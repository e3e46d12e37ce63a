//! The page "Checkpoints".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "Checkpoints".
#[component]
pub fn CheckpointsPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Checkpoints")]);
    view! { <h1>"Checkpoints"</h1> }
}
