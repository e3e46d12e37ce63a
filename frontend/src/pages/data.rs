//! The page "Data".

use leptos::prelude::*;

use crate::frame::{Crumb, set_place};

/// The page "Data".
#[component]
pub fn DataPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("Data")]);
    view! { <h1>"Data"</h1> }
}
