//! Pages, and parts of pages, whose code is loaded when they are first asked for.

use std::future::Future;

use leptos::{prelude::*, task::spawn_local, wasm_split::SplitLoaderError};

/// Makes a page, once its code is there.
pub type Make = fn() -> AnyView;

/// What is known of code that is asked for.
#[derive(Clone, Copy)]
enum Code {
    Loads,
    There(Make),
    Lost,
}

/// A page that `load` brings. Until then, and if it does not come, the page says so.
pub fn later<F>(load: fn() -> F) -> impl IntoView
where
    F: Future<Output = Result<Make, SplitLoaderError>> + 'static,
{
    let code = loaded(load);
    move || {
        match code.get() {
        Code::Loads => view! { <p class="loading" role="status">"Loading the page…"</p> }.into_any(),
        // What the page reads while it is made must not make it anew.
        Code::There(make) => untrack(make),
        Code::Lost => view! {
            <section class="empty" role="alert">
                <h1>"This page could not be loaded"</h1>
                <p>"The server is not there, or was replaced by another version. Load the page again when it runs."</p>
            </section>
        }
        .into_any(),
    }
    }
}

/// A part of a page that `load` brings. Without it, the page is as it is.
pub fn part_later<F>(load: fn() -> F) -> impl IntoView
where
    F: Future<Output = Result<Make, SplitLoaderError>> + 'static,
{
    let code = loaded(load);
    move || match code.get() {
        Code::There(make) => Some(untrack(make)),
        Code::Loads | Code::Lost => None,
    }
}

fn loaded<F>(load: fn() -> F) -> RwSignal<Code>
where
    F: Future<Output = Result<Make, SplitLoaderError>> + 'static,
{
    let code = RwSignal::new(Code::Loads);
    spawn_local(async move {
        let made = load().await.map_or(Code::Lost, Code::There);
        // Somebody may have gone on to another page.
        code.try_set(made);
    });
    code
}
