//! The answer of the study, above everything else: sentences computed from its runs, and the strongest attack in numbers.

use leptos::prelude::*;
use shared::{
    Progress, RunKind,
    api::{RunRow, StudyDetail},
    verdict::{Of, Pairs, Sentence, Strongest, verdict},
};

/// The classifiers of a study without what changes at each step.
fn classifiers(study: &StudyDetail) -> Vec<RunRow> {
    let runs = study.runs.iter().filter(|run| run.point.kind.classifies());
    runs.map(|run| RunRow { progress: Progress::default(), ..run.clone() }).collect()
}

/// What of the answer is still to come; empty when all is over. `defends`: whether the study has defences.
fn so_far(rows: &[RunRow], defends: bool) -> String {
    let finished = rows.iter().filter(|run| run.metrics.is_some()).count();
    let going = rows.iter().any(|run| !run.state.is_over());
    match (finished, going) {
        _ if rows.is_empty() && defends => {
            "The study trains no classifier. What its defences found stands below.".into()
        }
        _ if rows.is_empty() => {
            "The study trains no classifier, so that it has no accuracy and no ASR.".into()
        }
        (0, true) => "The answer stands here as soon as the first classifier has finished.".into(),
        (0, false) => "No classifier has finished: there is no answer.".into(),
        (_, true) => format!("So far, from {finished} of {} classifiers", rows.len()),
        (_, false) => String::new(),
    }
}

fn sentence(told: Sentence) -> impl IntoView {
    let part = |part: shared::verdict::Part| {
        let class = match part.of {
            Of::Words => return part.text.into_any(),
            Of::Clean => "digits clean",
            Of::Triggered => "digits triggered",
        };
        view! { <strong class=class>{part.text}</strong> }.into_any()
    };
    told.parts.into_iter().map(part).collect_view()
}

/// The strongest attack as large numbers, with a link to its run.
#[component]
fn Numbers(strongest: Strongest) -> impl IntoView {
    let Strongest { run, ppr, lpr, implanted, asr, ca, cost, .. } = strongest;
    let implanted = if implanted { ", a backdoor implanted into the encoder" } else { "" };
    let cost = cost.map(|cost| {
        let sign = if cost.mean < 0.0 { "−" } else { "+" };
        let text = format!("{sign}{:.1}", cost.mean.abs());
        view! {
            <div>
                <dt>"Cost in CA"</dt>
                <dd class="digits">{text}<span class="unit">" points"</span></dd>
            </div>
        }
    });
    view! {
        <div class="verdict-numbers">
            <dl>
                <div>
                    <dt>"ASR"</dt>
                    <dd class="digits triggered">{format!("{asr:.1}")}<span class="unit">" %"</span></dd>
                </div>
                <div>
                    <dt>"CA"</dt>
                    <dd class="digits clean">{format!("{ca:.1}")}<span class="unit">" %"</span></dd>
                </div>
                {cost}
            </dl>
            <a class="small" href=format!("?run={run}") data-noscroll>
                {format!("Strongest attack: {ppr} poisons of each class in pre-training{implanted}, {lpr} in the classifier's training")}
            </a>
        </div>
    }
}

/// The panel.
#[component]
pub fn VerdictPanel(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// What is known of its classifiers image by image.
    pairs: Memo<Pairs>,
) -> impl IntoView {
    let rows =
        Memo::new(move |_| study.with(|study| study.as_ref().map(classifiers).unwrap_or_default()));
    let classes = Memo::new(move |_| {
        study.with(|study| study.as_ref().map_or(0, |study| study.classes.len()))
    });
    let found = Memo::new(move |_| {
        pairs.with(|pairs| rows.with(|rows| verdict(rows, pairs, classes.get())))
    });
    let defends = Memo::new(move |_| {
        study.with(|study| {
            let mut runs = study.iter().flat_map(|study| &study.runs);
            runs.any(|run| run.point.kind == RunKind::Defence)
        })
    });
    let rest = Memo::new(move |_| rows.with(|rows| so_far(rows, defends.get())));
    let told = move || {
        let Some(found) = found.get() else {
            return view! { <p class="muted">{rest}</p> }.into_any();
        };
        let points = found.points.into_iter().map(|point| view! { <li>{sentence(point)}</li> });
        view! {
            <div class="verdict-text">
                <Show when=move || !rest.read().is_empty()>
                    <p class="muted small">{rest}</p>
                </Show>
                <p class="verdict-line">{sentence(found.headline)}</p>
                <ul>{points.collect_view()}</ul>
            </div>
            {found.strongest.map(|strongest| view! { <Numbers strongest/> })}
        }
        .into_any()
    };
    view! {
        <section class="panel verdict" aria-labelledby="verdict">
            <h2 id="verdict" class="visually-hidden">"What the study found"</h2>
            {told}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use shared::{RunState, run::RunPoint};

    use super::*;
    use crate::fixture;

    #[test]
    fn the_rest_is_told_until_all_is_over() {
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 0,
            lpr: 3,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let queued = fixture::row(point);
        let done = fixture::done(fixture::row(point), 0.9, 0.5);
        let failed = RunRow { state: RunState::Failed, ..fixture::row(point) };
        assert!(so_far(std::slice::from_ref(&queued), false).starts_with("The answer stands here"));
        assert_eq!(so_far(&[queued, done.clone()], true), "So far, from 1 of 2 classifiers");
        assert_eq!(so_far(&[done, failed.clone()], true), "");
        assert!(so_far(&[], true).starts_with("The study trains no classifier"));
        assert!(so_far(&[failed], false).starts_with("No classifier has finished"));
    }
}
