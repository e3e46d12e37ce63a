//! The page "System".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "System".
#[component]
pub fn SystemPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("System")]);
    view! { <h1>"System"</h1> }
}
