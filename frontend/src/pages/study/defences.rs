//! What the study's defences found: attacks against defences; the curve and the scores of the selected run.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    RunId, RunKind, RunState, StudySpec,
    api::{MatrixData, MatrixShows, RocSeries, RunRow, ScoreBins, StudyDetail},
    chart::{defence_matrix, roc, scores},
};

use crate::{
    api,
    chart::{Downloads, FigureBox},
    components::{Fetched, ProblemBox, Segmented, fetched},
};

/// Whether a run is a defence that has said what it found.
fn has_judged(run: &RunRow) -> bool {
    run.point.kind == RunKind::Defence && run.state == RunState::Done
}

/// The metrics that the matrix shows in a row of choices.
fn choices() -> Vec<(MatrixShows, String)> {
    MatrixShows::ALL.map(|shows| (shows, shows.title().to_owned())).into()
}

/// The setting from top to bottom where a study has one kind of trigger: the first one that it varies besides defences and seeds.
fn rows(spec: &StudySpec) -> Option<&str> {
    let mut paths = spec.axes.iter().flat_map(|axis| &axis.paths).map(String::as_str);
    if paths.clone().any(|path| path == "attack.trigger.kind") {
        return None;
    }
    paths.find(|path| !["defence.method", "seed"].contains(path))
}

/// Attacks against defences, where the study has defences that are done.
#[component]
pub fn DefencePanel(study: Memo<Option<StudyDetail>>) -> impl IntoView {
    let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (shows, set_shows) = query_signal_with_options::<String>("shows", options);
    let shows = Memo::new(move |_| {
        shows.with(|shows| shows.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default())
    });
    // The number of those that are done is part of what is fetched, so that each one that ends is drawn.
    let done = Memo::new(move |_| {
        study.with(|study| {
            let study = study.as_ref()?;
            let done = study.runs.iter().filter(|run| has_judged(run)).count();
            (done > 0).then_some((study.id, done))
        })
    });
    let study_rows =
        Memo::new(move |_| study.with(|study| rows(&study.as_ref()?.spec).map(str::to_owned)));
    let parameters = Memo::new(move |_| {
        let (study, _) = done.get()?;
        let filter = format!("\"{study}\" in studies && kind == \"defence\"");
        let shows: MatrixShows = shows.get();
        let mut all = vec![("filter", filter), ("colour", shows.as_str().to_owned())];
        study_rows.with(|rows| all.extend(rows.clone().map(|rows| ("y", rows))));
        Some(all)
    });
    let numbers: Fetched<MatrixData> = fetched(move || {
        done.track();
        let parameters = parameters.get()?;
        let pairs: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Some(format!("/results/matrix{}", api::query(&pairs)))
    });
    let downloads =
        Signal::derive(move || Some(Downloads { more: parameters.get()?, ..Downloads::default() }));
    let loaded = Memo::new(move |_| numbers.value().is_some());
    let figure = Signal::derive(move || {
        numbers.value().map_or_else(|| roc(&[]), |data| defence_matrix(&data))
    });
    view! {
        <Show when=move || done.with(Option::is_some)>
            <section class="panel" id="defence-matrix">
                <div class="panel-head"><h2>"Attacks against defences"</h2></div>
                <div class="panel-body stack">
                    <Segmented
                        label="Shows"
                        choices=choices()
                        value=Signal::derive(move || Some(shows.get()))
                        choose=Callback::new(move |shows: MatrixShows| {
                            let chosen = shows != MatrixShows::default();
                            set_shows.set(chosen.then(|| shows.as_str().to_owned()));
                        })
                    />
                    {move || numbers.problem().map(|problem| view! { <ProblemBox problem/> })}
                    <Show when=move || loaded.get()>
                        <FigureBox figure downloads/>
                    </Show>
                </div>
            </section>
        </Show>
    }
}

/// The curve and the scores of a defence that judged images.
#[component]
pub fn JudgedFigures(
    /// The run with its progress.
    run: Memo<Option<RunRow>>,
) -> impl IntoView {
    let asked = Memo::new(move |_| -> Option<RunId> {
        run.with(|run| {
            let run = run.as_ref().filter(|run| has_judged(run))?;
            run.progress.judgement?.detection.map(|_| run.id)
        })
    });
    let curves: Fetched<Vec<RocSeries>> = fetched(move || {
        let run = asked.get()?.to_string();
        Some(format!("/results/roc{}", api::query(&[("runs", &run)])))
    });
    let downloads = Signal::derive(move || {
        let runs = asked.get()?.to_string();
        Some(Downloads { runs, ..Downloads::default() })
    });
    let figure = Signal::derive(move || {
        roc(&curves.value().filter(|_| asked.get().is_some()).unwrap_or_default())
    });
    let bins: Fetched<ScoreBins> = fetched(move || {
        let run = asked.get()?.to_string();
        Some(format!("/results/scores{}", api::query(&[("runs", &run)])))
    });
    let histograms =
        Signal::derive(move || scores(bins.value().filter(|_| asked.get().is_some()).as_ref()));
    view! {
        <Show when=move || asked.with(Option::is_some)>
            {move || curves.problem().map(|problem| view! { <ProblemBox problem/> })}
            <Show when=move || curves.value().is_some()>
                <FigureBox figure downloads/>
            </Show>
            {move || bins.problem().map(|problem| view! { <ProblemBox problem/> })}
            <Show when=move || bins.value().is_some()>
                <FigureBox figure=histograms downloads/>
            </Show>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::{Axis, presets};

    use super::*;

    #[test]
    fn a_study_of_one_trigger_has_what_it_varies_from_top_to_bottom() {
        let mut spec = presets()[0].spec.clone();
        let mut of = |axes: Vec<Axis>| {
            spec.axes = axes;
            rows(&spec).map(str::to_owned)
        };
        let seeds = || Axis::of("seed", [1u32, 2]);
        let methods = || Axis::of("defence.method", ["spectral", "scan"]);
        let poisons = || Axis::of("pretrain.poisons", [0u32, 50]);
        let kinds = || Axis::of("attack.trigger.kind", ["blended", "sig"]);
        assert_eq!(of(vec![seeds(), methods(), poisons()]).as_deref(), Some("pretrain.poisons"));
        assert_eq!(of(vec![poisons(), kinds()]), None, "the trigger, as everywhere");
        assert_eq!(of(vec![seeds(), methods()]), None);
    }
}
