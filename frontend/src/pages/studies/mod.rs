//! The home page: what runs now, the newest result, and all studies; while there is no study, an introduction.
//!
//! Address: `?kind=` narrows the curves, `?search=` filters by name, tag, data set and trigger, `?filter=` by an expression over runs, `?show=` is `starred` or `archived`,
//! `?sort=` is a column, `?offset=` pages on.

mod choice;
mod first;
mod idea;
mod newest;
mod table;

use leptos::prelude::*;
use shared::api::{Page, StudySummary};

use self::{
    choice::{Choice, Filter, LIMIT, Which},
    first::FirstStudy,
    newest::Newest,
    table::{StudyTable, run_counts},
};
use crate::{
    components::{Fetched, Pager, ProblemBox, fetched_every},
    frame::{Crumb, anything_runs, set_place},
};

/// Time between two polls while something runs, in milliseconds.
const PERIOD: u32 = 3000;

/// The page.
#[component]
pub fn StudiesPage(
    /// The curves of what runs.
    running: fn() -> AnyView,
) -> impl IntoView {
    set_place(|| vec![Crumb::here("Studies")]);
    let choice = Choice::new();
    let path = Memo::new(move |_| choice.path());
    let studies: Fetched<Page<StudySummary>> = fetched_every(
        move || Some(path.get()),
        PERIOD,
        |page: &Page<StudySummary>| page.items.iter().any(|study| run_counts(study).2 > 0),
    );
    let total = Memo::new(move |_| studies.value().map_or(0, |page| page.total));
    // Judged when an answer arrives: what is chosen may have changed since.
    let none_yet = Memo::new(move |_| {
        studies.value().is_some_and(|page| page.total == 0) && !untrack(|| choice.narrows())
    });
    // A problem with the filter is shown at the filter.
    let wrong = Memo::new(move |_| {
        let problem = studies.problem()?;
        let error = problem.errors.into_iter().find(|error| error.field == "filter")?;
        Some(error.message)
    });
    let body = move || match studies.get() {
        None => view! { <p class="loading" role="status">"Loading the studies…"</p> }.into_any(),
        Some(Err(_)) if wrong.with(Option::is_some) => {
            view! { <p class="empty-line">"The filter above cannot be read."</p> }.into_any()
        }
        Some(Err(problem)) => {
            let retry = Callback::new(move |()| studies.refetch());
            view! { <ProblemBox problem retry/> }.into_any()
        }
        Some(Ok(_)) if none_yet.get() => view! { <FirstStudy/> }.into_any(),
        Some(Ok(page)) if page.items.is_empty() => {
            view! { <p class="empty-line">"No study matches."</p> }.into_any()
        }
        Some(Ok(page)) => view! { <StudyTable studies=page.items choice/> }.into_any(),
    };
    let any = anything_runs();
    view! {
        <header class="page-head">
            <h1>"Studies"</h1>
            <Show when=move || !none_yet.get()>
                <Which choice/>
            </Show>
        </header>
        <Show when=move || any.get()>
            <div class="home-running">{running()}</div>
        </Show>
        <Show when=move || !none_yet.get()>
            <Newest/>
            <Filter choice wrong/>
        </Show>
        {body}
        <Pager
            offset=choice.offset
            limit=LIMIT
            total=total
            go=Callback::new(move |offset: u64| choice.turn_to(offset))
        />
    }
}
