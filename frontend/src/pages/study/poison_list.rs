//! The list of the images that a run poisons, as a file to keep or to use in another study.

use leptos::prelude::*;
use shared::RunId;

use crate::{
    api,
    components::{Glyph, Icon},
};

/// A link to the file.
#[component]
pub fn PoisonListLink(
    /// The run, which has stored its plan.
    run: RunId,
) -> impl IntoView {
    let address = api::address(format!("/runs/{run}/poisons.txt"));
    view! {
        <p>
            <a class="button" href=address download=format!("poisons-{run}.txt")>
                <Icon glyph=Glyph::Download/>
                "List"
            </a>
        </p>
    }
}
