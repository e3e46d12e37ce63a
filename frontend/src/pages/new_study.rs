//! The page "New study".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "New study".
#[component]
pub fn NewStudyPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("New study")]);
    view! { <h1>"New study"</h1> }
}
