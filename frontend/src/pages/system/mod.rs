//! The page "System": devices or the cluster, the disk, deleted studies, version and data folder.

mod cluster;
mod deleted;
mod disk;

use leptos::prelude::*;
use shared::api::SystemInfo;

use self::{cluster::Cluster, deleted::Deleted, disk::Disk};
use super::devices::{self, Devices};
use crate::{
    api,
    components::{Fetched, ProblemBox, fetched_every},
    frame::{Crumb, set_place},
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 2000;

/// The page.
#[component]
pub fn SystemPage() -> impl IntoView {
    set_place(|| vec![Crumb::here("System")]);
    let system: Fetched<SystemInfo> = fetched_every(|| Some("/system".into()), PERIOD, |_| true);
    let devices = devices::readings();
    let jobs = Signal::derive(move || system.value().map(|info| info.jobs).unwrap_or_default());
    let loaded = Memo::new(move |_| system.value().is_some());
    let cluster = Memo::new(move |_| system.value().and_then(|info| info.cluster));
    let program = Memo::new(move |_| system.value().map(|info| (info.version, info.data_dir)));
    let waiting = move || match system.problem() {
        None => view! { <p class="loading" role="status">"Loading the system information…"</p> }
            .into_any(),
        Some(problem) => {
            let retry = Callback::new(move |()| system.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
    };
    view! {
        <header class="page-head">
            <h1>"System"</h1>
        </header>
        <Show when=move || loaded.get() fallback=waiting>
            <div class="columns">
                <Devices list=devices jobs/>
                {move || program.get().map(|(version, folder)| view! { <Program version folder/> })}
            </div>
        </Show>
        {move || cluster.get().map(|cluster| view! { <Cluster cluster/> })}
        <Deleted/>
        <Disk/>
    }
}

#[component]
fn Program(version: String, folder: String) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="program-title">
            <header class="panel-head"><h2 id="program-title">"Program"</h2></header>
            <div class="panel-body">
                <dl class="pairs">
                    <div><dt>"Version"</dt><dd>{version}</dd></div>
                    <div><dt>"Data folder"</dt><dd><code>{folder}</code></dd></div>
                    <div>
                        <dt>"API"</dt>
                        <dd><a href=api::address("/openapi.json") rel="external">"OpenAPI document"</a></dd>
                    </div>
                </dl>
            </div>
        </section>
    }
}
