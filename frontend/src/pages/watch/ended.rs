//! The runs that were made last and are done.

use leptos::prelude::*;
use shared::api::{Page, RunRow};

use crate::{
    base::to,
    components::{Fetched, StateBadge, fetched_every, format},
    pages::study::ShareCell,
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 5000;
/// Number of runs that are listed.
const LISTED: u32 = 10;

/// How long a run took.
fn took(run: &RunRow) -> String {
    let both = run.started_at.zip(run.ended_at);
    both.map_or_else(String::new, |(from, to)| {
        format::duration(to.saturating_sub(from) as f64 / 1000.0)
    })
}

/// The newest results.
#[component]
pub fn Ended() -> impl IntoView {
    let path = format!("/runs?state=done&descending=true&limit={LISTED}");
    let runs: Fetched<Page<RunRow>> = fetched_every(move || Some(path.clone()), PERIOD, |_| true);
    let rows = Memo::new(move |_| runs.value().map(|page| page.items).unwrap_or_default());
    let row = |run: RunRow| {
        let href = to(format!("/studies/{}?run={}", run.study, run.id));
        let took = took(&run);
        let metrics = run.metrics;
        view! {
            <tr>
                <td data-label="State"><StateBadge state=run.state/></td>
                <th scope="row">
                    <a href=href>{run.study_name.clone()}</a>
                    <span class="sub">{run.label()}</span>
                </th>
                <ShareCell ratio=metrics.map(|metrics| metrics.ca) colour="clean" label="CA"/>
                <ShareCell ratio=metrics.map(|metrics| metrics.asr) colour="triggered" label="ASR"/>
                <td data-label="Time" class="number">{took}</td>
            </tr>
        }
    };
    view! {
        <Show when=move || rows.with(|rows| !rows.is_empty())>
            <section class="panel" aria-labelledby="ended-title">
                <header class="panel-head">
                    <h2 id="ended-title">"Done"</h2>
                    <span class="muted small">{format!("the newest {LISTED}")}</span>
                </header>
                <div class="table-box table-plain">
                    <table class="table table-cards">
                        <thead>
                            <tr>
                                <th scope="col">"State"</th>
                                <th scope="col">"Run"</th>
                                <th scope="col" class="number">"CA, %"</th>
                                <th scope="col" class="number">"ASR, %"</th>
                                <th scope="col" class="number">"Time"</th>
                            </tr>
                        </thead>
                        <tbody>{move || rows.get().into_iter().map(row).collect_view()}</tbody>
                    </table>
                </div>
            </section>
        </Show>
    }
}
