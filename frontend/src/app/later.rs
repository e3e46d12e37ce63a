//! Pages whose code is loaded when they are first asked for.

use std::future::Future;

use leptos::{prelude::*, task::spawn_local, wasm_split::SplitLoaderError};

/// Makes a page, once its code is there.
pub type Make = fn() -> AnyView;

/// A page that `load` brings. Until then, and if it does not come, the page says so.
pub fn later<F>(load: fn() -> F) -> impl IntoView
where
    F: Future<Output = Result<Make, SplitLoaderError>> + 'static,
{
    let made = RwSignal::new(None::<Option<Make>>);
    spawn_local(async move {
        let make = load().await.ok();
        // Somebody may have gone on to another page.
        made.try_set(Some(make));
    });
    move || {
        match made.get() {
        None => view! { <p class="loading" role="status">"Loading the page…"</p> }.into_any(),
        // What the page reads while it is made must not make it anew.
        Some(Some(make)) => untrack(make),
        Some(None) => view! {
            <section class="empty" role="alert">
                <h1>"This page could not be loaded"</h1>
                <p>"The server is not there, or was replaced by another version. Load the page again when it runs."</p>
            </section>
        }
        .into_any(),
    }
    }
}
