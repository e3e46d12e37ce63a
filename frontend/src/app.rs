//! The routes: which address shows which page.

use leptos::prelude::*;
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};

use crate::{base::Base, frame::Frame, pages};

/// The whole program in the browser.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <Frame>
                <Routes fallback=pages::NotFoundPage>
                    <Route path=(Base, path!("/")) view=pages::StudiesPage/>
                    <Route path=(Base, path!("/studies/new")) view=pages::NewStudyPage/>
                    <Route path=(Base, path!("/studies/:id")) view=pages::StudyPage/>
                    <Route path=(Base, path!("/compare")) view=pages::ComparePage/>
                    <Route path=(Base, path!("/reconstruct")) view=pages::ReconstructPage/>
                    <Route path=(Base, path!("/watch")) view=pages::WatchPage/>
                    <Route path=(Base, path!("/data")) view=pages::DataPage/>
                    <Route path=(Base, path!("/checkpoints")) view=pages::CheckpointsPage/>
                    <Route path=(Base, path!("/system")) view=pages::SystemPage/>
                </Routes>
            </Frame>
        </Router>
    }
}
