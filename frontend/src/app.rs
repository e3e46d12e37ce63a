//! The routes: which address shows which page.

use leptos::prelude::*;
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};

use crate::{frame::Frame, pages};

/// The whole program in the browser.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <Frame>
                <Routes fallback=pages::NotFoundPage>
                    <Route path=path!("/") view=pages::StudiesPage/>
                    <Route path=path!("/studies/new") view=pages::NewStudyPage/>
                    <Route path=path!("/studies/:id") view=pages::StudyPage/>
                    <Route path=path!("/compare") view=pages::ComparePage/>
                    <Route path=path!("/reconstruct") view=pages::ReconstructPage/>
                    <Route path=path!("/watch") view=pages::WatchPage/>
                    <Route path=path!("/data") view=pages::DataPage/>
                    <Route path=path!("/checkpoints") view=pages::CheckpointsPage/>
                    <Route path=path!("/system") view=pages::SystemPage/>
                </Routes>
            </Frame>
        </Router>
    }
}
