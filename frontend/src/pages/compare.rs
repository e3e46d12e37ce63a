//! The page "Compare".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "Compare".
#[component]
pub fn ComparePage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Compare")]);
    view! { <h1>"Compare"</h1> }
}
