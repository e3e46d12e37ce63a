//! When the page's colours change: what is drawn on a canvas is drawn again.

use std::sync::LazyLock;

use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};

static CHANGES: LazyLock<ArcRwSignal<u32>> = LazyLock::new(|| {
    let changes = ArcRwSignal::new(0);
    let of_system = changes.clone();
    let query = window().match_media("(prefers-color-scheme: dark)").ok().flatten();
    if let Some(query) = query {
        let changed = Closure::<dyn Fn()>::new(move || of_system.update(|count| *count += 1));
        query.set_onchange(Some(changed.as_ref().unchecked_ref()));
        // It lasts as long as the page.
        changed.forget();
    }
    changes
});

/// Changes whenever the page's colours do.
pub fn theme_changes() -> ArcRwSignal<u32> {
    CHANGES.clone()
}

/// Tells that a theme was chosen.
pub fn theme_changed() {
    CHANGES.update(|count| *count += 1);
}
