//! The routes: which address shows which page.
//!
//! The list of studies is part of the program that is loaded at first. The other pages are in three further modules
//! (`server/build/wasm.rs` cuts them off), each with pages that use much of the same code; [`later()`] loads one when it is first asked for.

mod later;

use leptos::{
    prelude::*,
    wasm_split::{SplitLoaderError, wasm_split},
};
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};

use self::later::{Make, later, part_later};
use crate::{base::Base, frame::Frame, pages};

/// The whole program in the browser.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <Frame>
                <Routes fallback=pages::NotFoundPage>
                    <Route path=(Base, path!("/")) view=studies/>
                    <Route path=(Base, path!("/studies/new")) view=|| later(new_study)/>
                    <Route path=(Base, path!("/studies/:id")) view=|| later(study)/>
                    <Route path=(Base, path!("/compare")) view=|| later(compare)/>
                    <Route path=(Base, path!("/reconstruct")) view=|| later(reconstruct)/>
                    <Route path=(Base, path!("/watch")) view=|| later(watch)/>
                    <Route path=(Base, path!("/data")) view=|| later(data)/>
                    <Route path=(Base, path!("/checkpoints")) view=|| later(checkpoints)/>
                    <Route path=(Base, path!("/system")) view=|| later(system)/>
                </Routes>
            </Frame>
        </Router>
    }
}

/// The list of studies. What draws curves is loaded when something runs.
fn studies() -> impl IntoView {
    view! { <pages::StudiesPage running=|| part_later(running_now).into_any()/> }
}

/// A page of a further module, or a part of one.
macro_rules! page {
    ($module:ident: $name:ident => $page:path) => {
        #[wasm_split($module, wasm_split_path = ::leptos::wasm_split, fallible)]
        fn $name() -> Result<Make, SplitLoaderError> {
            Ok(|| $page().into_any())
        }
    };
}

page!(results: study => pages::StudyPage);
page!(results: compare => pages::ComparePage);
page!(results: watch => pages::WatchPage);
page!(results: running_now => pages::RunningNow);
page!(attack: new_study => pages::NewStudyPage);
page!(attack: reconstruct => pages::ReconstructPage);
page!(folder: data => pages::DataPage);
page!(folder: checkpoints => pages::CheckpointsPage);
page!(folder: system => pages::SystemPage);
