//! The run with which the table compares all others.

use leptos::prelude::*;
use shared::{
    api::{Measured, Page, ResultRow},
    metric::Difference,
};

use super::{Explorer, figure::chosen};
use crate::{
    api,
    components::{Fetched, Glyph, Icon, fetched, format},
};

/// What the differences are, below the table.
pub const NOTE: &str = "Differences from the pinned run; of shares in percentage points, with the two-sided z test of two proportions.";

/// The run, fetched by itself: it is on top of every page of the table.
pub fn pinned(explorer: Explorer) -> Memo<Option<ResultRow>> {
    let id = Memo::new(move |_| explorer.view.with(|view| view.baseline.clone()));
    let answer: Fetched<Page<ResultRow>> = fetched(move || {
        let id = id.get();
        (!id.is_empty()).then(|| format!("/results{}", api::query(&[("filter", &chosen(&[id]))])))
    });
    Memo::new(move |_| {
        let page = answer.value().filter(|_| !id.read().is_empty())?;
        page.items.into_iter().next()
    })
}

/// A number with its sign.
fn signed(number: f64, text: &str) -> String {
    let sign = if number < 0.0 { "−" } else { "+" };
    format!("{sign}{text}")
}

/// How a run's metric differs from the pinned one's: `+20.0, p < .001`.
pub fn against(run: &ResultRow, pinned: &ResultRow, metric: &str) -> Option<String> {
    match (pinned.metrics.get(metric)?, run.metrics.get(metric)?) {
        (Measured::Ratio(first), Measured::Ratio(second)) => {
            let difference = Difference::of(&[(*first, *second)])?;
            let text = format!("{:.1}", difference.mean.abs());
            Some(format!("{}, {}", signed(difference.mean, &text), difference.probability()))
        }
        (Measured::Real(first), Measured::Real(second)) => {
            let difference = second - first;
            Some(signed(difference, &format::number(difference.abs())))
        }
        _ => None,
    }
}

/// The button that pins a run.
#[component]
pub fn Pin(
    explorer: Explorer,
    /// The run.
    id: String,
    /// What the button does, for those who do not see the row.
    label: String,
) -> impl IntoView {
    let known = id.clone();
    let on = Memo::new(move |_| explorer.view.with(|view| view.baseline == known));
    view! {
        <button
            type="button"
            class="icon-button pin"
            title="Compare all others with this run"
            aria-label=label
            aria-pressed=move || on.get().to_string()
            on:click=move |_| explorer.change(|view| view.toggle_baseline(&id))
        >
            <Icon glyph=Glyph::Pin/>
        </button>
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::{Digest, Ratio, RunId, RunState};

    use super::*;

    fn run(asr: u32, loss: f64) -> ResultRow {
        let asr = Measured::Ratio(Ratio { hits: asr, total: 1000 });
        ResultRow {
            run: RunId::from_parts(1, [1; 10]),
            kind: "probe".into(),
            digest: Digest::stored("d"),
            state: RunState::Done,
            studies: vec![],
            created_at: 0,
            ended_at: None,
            settings: BTreeMap::new(),
            metrics: BTreeMap::from([
                ("asr".to_owned(), asr),
                ("loss".to_owned(), Measured::Real(loss)),
            ]),
        }
    }

    #[test]
    fn others_are_compared_with_the_pinned_run() {
        let (pinned, other) = (run(300, 0.5), run(100, 0.75));
        assert_eq!(against(&other, &pinned, "asr").as_deref(), Some("−20.0, p < .001"));
        assert_eq!(against(&other, &pinned, "loss").as_deref(), Some("+0.25"));
        assert_eq!(against(&other, &pinned, "ca"), None);
    }
}
