//! Deleted studies that can still be restored.

use leptos::{prelude::*, task::spawn_local};
use shared::{
    StudyId,
    api::{Deletion, Problem},
};

use crate::{
    api,
    components::{Confirm, Fetched, Glyph, Icon, ProblemBox, fetched_every, format},
};

/// Time between two polls, in milliseconds.
const PERIOD: u32 = 5000;

/// How long a study can be restored.
fn left(deletion: &Deletion, now: u64) -> String {
    let left = deletion.until.saturating_sub(now);
    if left == 0 {
        return "its files are being removed".into();
    }
    format!("can be restored for {}", format::duration((left as f64 / 1000.0).ceil()))
}

/// The panel; nothing if there is no such study.
#[component]
pub fn Deleted() -> impl IntoView {
    let list: Fetched<Vec<Deletion>> =
        fetched_every(|| Some("/deletions".into()), PERIOD, |_| true);
    let all = Memo::new(move |_| list.value().unwrap_or_default());
    let ids =
        Memo::new(move |_| all.with(|all| all.iter().map(|one| one.study).collect::<Vec<_>>()));
    let problem = RwSignal::new(None::<Problem>);
    let sent = Callback::new(move |outcome: Result<(), Problem>| {
        problem.set(outcome.err());
        list.refetch();
    });
    view! {
        <Show when=move || !ids.read().is_empty()>
            <section class="panel" aria-labelledby="deleted-title" id="deleted">
                <header class="panel-head">
                    <h2 id="deleted-title">"Deleted studies"</h2>
                </header>
                {move || problem.get().map(|problem| view! { <ProblemBox problem/> })}
                <div class="table-box table-plain">
                    <table class="table table-cards">
                        <thead>
                            <tr>
                                <th scope="col">"Study"</th>
                                <th scope="col" class="number">"Runs"</th>
                                <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=move || ids.get() key=|id| *id let:id>
                                <Row id all sent/>
                            </For>
                        </tbody>
                    </table>
                </div>
            </section>
        </Show>
    }
}

#[component]
fn Row(
    id: StudyId,
    all: Memo<Vec<Deletion>>,
    sent: Callback<Result<(), Problem>>,
) -> impl IntoView {
    let of = move |tell: fn(&Deletion) -> String| {
        Memo::new(move |_| {
            all.with(|all| all.iter().find(|one| one.study == id).map(tell).unwrap_or_default())
        })
    };
    let name = of(|one| one.name.clone());
    let runs = of(|one| format::count(one.runs));
    let left = of(|one| left(one, js_sys::Date::now() as u64));
    let restore = move |_| {
        spawn_local(async move {
            let path = format!("/deletions/{id}/undo");
            let outcome = api::post_empty::<serde::de::IgnoredAny>(path).await.map(|_| ());
            sent.try_run(outcome);
        });
    };
    let remove = Callback::new(move |()| {
        spawn_local(async move {
            let outcome = api::delete(format!("/deletions/{id}")).await;
            sent.try_run(outcome);
        });
    });
    view! {
        <tr>
            <th scope="row">{name}<span class="sub">{left}</span></th>
            <td class="number" data-label="Runs">{runs}</td>
            <td class="number job-actions">
                <button type="button" class="button button-quiet" on:click=restore>
                    <Icon glyph=Glyph::Retry/>
                    "Restore"
                </button>
                <Confirm
                    glyph=Glyph::Trash
                    label="Remove now"
                    question="Remove the files of this study now? It cannot be restored afterwards."
                    yes="Remove"
                    act=remove
                />
            </td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told() {
        let one = Deletion {
            study: StudyId::from_parts(1, [0; 10]),
            name: "s".into(),
            runs: 2,
            deleted_at: 0,
            until: 600_000,
        };
        assert_eq!(left(&one, 0), "can be restored for 10 min");
        assert_eq!(left(&one, 600_000), "its files are being removed");
    }
}
