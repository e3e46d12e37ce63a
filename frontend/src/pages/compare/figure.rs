//! The figure beside the table: its kind, the studies and runs in it, the published overlay.

use leptos::prelude::*;
use leptos_router::{
    NavigateOptions,
    hooks::{query_signal_with_options, use_navigate},
};
use shared::{
    api::{RunRow, StudySummary},
    chart::{EpochSeries, Figure, FigureKind, accuracy_by_epoch, asr_by_poison, tradeoff},
};

use super::query::{FIGURES, figure_kind, lines, listed, shown, toggled};
use crate::{
    api,
    chart::{Downloads, FigureBox},
    components::{ChipButton, Fetched, ProblemBox, Segmented, fetched, format},
};

fn here() -> NavigateOptions {
    NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() }
}

/// What the figure shows, as text.
fn told(kind: FigureKind, results: usize, studies: usize, runs: usize, drawn: usize) -> String {
    let finished = |count: usize| format::things(count as u64, "finished run", "finished runs");
    if runs > 0 {
        format!("{} chosen in the table.", format::things(runs as u64, "run", "runs"))
    } else if kind == FigureKind::AccuracyByEpoch && drawn < results {
        format!("The newest {drawn} of {}: choose others in the table.", finished(results))
    } else if studies > 0 {
        format!("{} of {}.", finished(results), format::things(studies as u64, "study", "studies"))
    } else {
        format!("All {}.", finished(results))
    }
}

/// The figure with its controls.
#[component]
pub fn CompareFigure(
    /// All studies.
    studies: Memo<Vec<StudySummary>>,
    /// The runs of the figure, separated by commas; `None` for all.
    runs: Memo<Option<String>>,
    /// Called with the new runs.
    choose_runs: Callback<Option<String>>,
) -> impl IntoView {
    let (kind, set_kind) = query_signal_with_options::<String>("figure", here());
    let (published, set_published) = query_signal_with_options::<bool>("published", here());
    let (of_studies, set_studies) = query_signal_with_options::<String>("studies", here());
    let kind = Memo::new(move |_| figure_kind(kind.get().as_deref()));
    let published = Memo::new(move |_| published.get().unwrap_or(false));
    let chosen_runs = Memo::new(move |_| listed(runs.get().as_deref()));
    // Chosen runs may be of any study.
    let results: Fetched<Vec<RunRow>> = fetched(move || {
        let studies = if chosen_runs.with(Vec::is_empty) { of_studies.get() } else { None };
        Some(format!("/compare{}", api::query(&[("studies", &studies.unwrap_or_default())])))
    });
    let all = Memo::new(move |_| results.value().unwrap_or_default());
    let rows = Memo::new(move |_| all.with(|all| chosen_runs.with(|runs| shown(all, runs))));
    let drawn = Memo::new(move |_| all.with(|all| chosen_runs.with(|runs| lines(all, runs))));
    let epochs: Fetched<Vec<EpochSeries>> = fetched(move || {
        let wanted = kind.get() == FigureKind::AccuracyByEpoch;
        let runs = drawn.get();
        (wanted && !runs.is_empty())
            .then(|| format!("/compare/epochs{}", api::query(&[("runs", &runs.join(","))])))
    });
    let figure = Signal::derive(move || -> Figure {
        match kind.get() {
            FigureKind::AsrByPoison => rows.with(|rows| asr_by_poison(rows, published.get())),
            FigureKind::AccuracyByEpoch => {
                let none = drawn.with(Vec::is_empty);
                accuracy_by_epoch(&epochs.value().filter(|_| !none).unwrap_or_default())
            }
            _ => rows.with(|rows| tradeoff(rows)),
        }
    });
    let downloads = Signal::derive(move || {
        let runs = if kind.get() == FigureKind::AccuracyByEpoch {
            drawn.get().join(",")
        } else {
            runs.get().unwrap_or_default()
        };
        Some(Downloads {
            studies: of_studies.get().filter(|_| runs.is_empty()).unwrap_or_default(),
            published: published.get() && kind.get() == FigureKind::AsrByPoison,
            runs,
        })
    });
    let navigate = use_navigate();
    let pick = Callback::new(move |id: String| {
        let study = all.with_untracked(|all| {
            all.iter().find(|row| row.id.to_string() == id).map(|row| row.study)
        });
        if let Some(study) = study {
            navigate(&format!("/studies/{study}?run={id}"), NavigateOptions::default());
        }
    });
    let words = move || {
        told(
            kind.get(),
            rows.with(Vec::len),
            listed(of_studies.get().as_deref()).len(),
            chosen_runs.with(Vec::len),
            drawn.with(Vec::len),
        )
    };
    view! {
        <section class="panel compare-figure" aria-labelledby="compare-figure">
            <h2 id="compare-figure" class="visually-hidden">"Figure"</h2>
            <div class="panel-body stack">
                <FigureChips
                    kind
                    set_kind=Callback::new(move |kind: FigureKind| {
                        set_kind.set(Some(kind.as_str().to_owned()));
                    })
                    published
                    set_published=Callback::new(move |on: bool| set_published.set(on.then_some(true)))
                />
                {move || {
                    results
                        .problem()
                        .or_else(|| epochs.problem())
                        .map(|problem| view! { <ProblemBox problem/> })
                }}
                <FigureBox figure height=440 downloads pick/>
                <p class="muted small" role="status">
                    {words}
                    <Show when=move || chosen_runs.with(|runs| !runs.is_empty())>
                        " "
                        <button type="button" class="link" on:click=move |_| choose_runs.run(None)>
                            "Show all again"
                        </button>
                    </Show>
                </p>
                <StudyChecks
                    studies
                    chosen=of_studies
                    toggle=Callback::new(move |id: String| {
                        choose_runs.run(None);
                        set_studies.set(toggled(of_studies.get_untracked().as_deref(), &id));
                    })
                />
            </div>
        </section>
    }
}

/// Which figure, and whether the published series are in it.
#[component]
fn FigureChips(
    kind: Memo<FigureKind>,
    set_kind: Callback<FigureKind>,
    published: Memo<bool>,
    set_published: Callback<bool>,
) -> impl IntoView {
    let choices = FIGURES.map(|(kind, name)| (kind, name.to_owned())).to_vec();
    let bars = Memo::new(move |_| kind.get() == FigureKind::AsrByPoison);
    view! {
        <div class="chips">
            <Segmented
                label="Figure"
                choices
                value=Signal::derive(move || Some(kind.get()))
                choose=set_kind
            />
            <Show when=move || bars.get()>
                <ChipButton
                    label="Published series"
                    title="Show the published series beside these bars; they were measured in a different setting"
                    on=published
                    toggle=Callback::new(move |()| set_published.run(!published.get_untracked()))
                />
            </Show>
        </div>
    }
}

/// The studies whose runs are in the figure.
#[component]
fn StudyChecks(
    /// All studies.
    studies: Memo<Vec<StudySummary>>,
    /// The studies of the figure, separated by commas; `None` for all.
    chosen: Memo<Option<String>>,
    /// Adds or removes a study.
    toggle: Callback<String>,
) -> impl IntoView {
    let several = Memo::new(move |_| studies.with(|studies| studies.len() > 1));
    let checks = move || {
        studies
            .get()
            .into_iter()
            .map(|study| {
                let id = study.id.to_string();
                let known = id.clone();
                let on = move || listed(chosen.get().as_deref()).contains(&known);
                view! {
                    <label class="study-check">
                        <input
                            type="checkbox"
                            prop:checked=on
                            on:change=move |_| toggle.run(id.clone())
                        />
                        <span>{study.name}</span>
                        <span class="muted small">{study.trigger.label()}</span>
                    </label>
                }
            })
            .collect_view()
    };
    view! {
        <Show when=move || several.get()>
            <fieldset class="study-checks">
                <legend>"Studies in the figure (none checked: all)"</legend>
                {checks}
            </fieldset>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_says_what_it_is_made_of() {
        let scatter = FigureKind::Tradeoff;
        assert_eq!(told(scatter, 10, 0, 0, 10), "All 10 finished runs.");
        assert_eq!(told(scatter, 10, 1, 0, 10), "10 finished runs of 1 study.");
        assert_eq!(told(scatter, 2, 0, 2, 2), "2 runs chosen in the table.");
        assert_eq!(
            told(FigureKind::AccuracyByEpoch, 40, 0, 0, 12),
            "The newest 12 of 40 finished runs: choose others in the table."
        );
    }
}
