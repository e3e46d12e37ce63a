//! The page "Studies".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "Studies".
#[component]
pub fn StudiesPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Studies")]);
    view! { <h1>"Studies"</h1> }
}
