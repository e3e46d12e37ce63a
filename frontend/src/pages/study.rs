//! The page "Study".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "Study".
#[component]
pub fn StudyPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Study")]);
    view! { <h1>"Study"</h1> }
}
