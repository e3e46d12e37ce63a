//! The page "Reconstruct".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "Reconstruct".
#[component]
pub fn ReconstructPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Reconstruct")]);
    view! { <h1>"Reconstruct"</h1> }
}
