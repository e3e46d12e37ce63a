//! What the study's defences found: attacks against defences; the curve and the scores of the selected run.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    RunId, RunKind, RunState, StudySpec,
    api::{JudgedEncoder, MatrixData, MatrixShows, RocSeries, RunRow, ScoreBins, StudyDetail},
    chart::{Figure, before_after, defence_matrix, encoders, roc, scores},
    metric::Judgement,
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

/// A figure of attacks and defences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// The matrix of a metric.
    Matrix(MatrixShows),
    /// Arrows from before to after.
    Arrows,
}

impl Shown {
    fn choices() -> Vec<(Self, String)> {
        let matrices = MatrixShows::ALL
            .map(|shows| (Self::Matrix(shows), shows.title().to_owned()))
            .into_iter();
        matrices.chain([(Self::Arrows, "CA and ASR as arrows".to_owned())]).collect()
    }

    /// As the address has it.
    fn name(self) -> &'static str {
        match self {
            Self::Matrix(shows) => shows.as_str(),
            Self::Arrows => "arrows",
        }
    }

    /// What the address says; `None` where it says nothing.
    fn read(text: Option<&str>) -> Option<Self> {
        match text? {
            "arrows" => Some(Self::Arrows),
            text => Some(Self::Matrix(text.parse().ok()?)),
        }
    }

    /// What the panel of these runs begins with: a metric that they have.
    fn first<'r>(mut runs: impl Iterator<Item = &'r RunRow> + Clone) -> Self {
        let any = |has: fn(&Judgement) -> bool| {
            runs.clone().any(|run| run.progress.judgement.as_ref().is_some_and(has))
        };
        Self::Matrix(match () {
            () if any(|said| said.detection.is_some()) => MatrixShows::Auroc,
            () if any(|said| said.after.is_some()) => MatrixShows::Asr,
            () if runs.any(|run| run.progress.judgement.is_some()) => MatrixShows::Pl1,
            () => MatrixShows::default(),
        })
    }

    /// The metric of the matrix; of the arrows, the one from left to right.
    fn metric(self) -> MatrixShows {
        match self {
            Self::Matrix(shows) => shows,
            Self::Arrows => MatrixShows::Ca,
        }
    }
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
    let first = Memo::new(move |_| {
        study.with(|study| {
            let runs = study.iter().flat_map(|study| &study.runs);
            Shown::first(runs.filter(|run| has_judged(run)))
        })
    });
    let shows = Memo::new(move |_| {
        shows.with(|shows| Shown::read(shows.as_deref())).unwrap_or_else(|| first.get())
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
        let metric = shows.get().metric();
        let mut all = vec![("filter", filter), ("colour", metric.as_str().to_owned())];
        study_rows.with(|rows| all.extend(rows.clone().map(|rows| ("y", rows))));
        Some(all)
    });
    let address = move |metric: MatrixShows| {
        done.track();
        let mut parameters = parameters.get()?;
        for (_, value) in parameters.iter_mut().filter(|(name, _)| *name == "colour") {
            metric.as_str().clone_into(value);
        }
        let pairs: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Some(format!("/results/matrix{}", api::query(&pairs)))
    };
    let numbers: Fetched<MatrixData> = fetched(move || address(shows.get().metric()));
    let asr: Fetched<MatrixData> = fetched(move || {
        (shows.get() == Shown::Arrows).then(|| address(MatrixShows::Asr)).flatten()
    });
    let downloads =
        Signal::derive(move || Some(Downloads { more: parameters.get()?, ..Downloads::default() }));
    let drawn = Memo::new(move |_| -> Option<Figure> {
        let data = numbers.value()?;
        match shows.get() {
            Shown::Matrix(_) => Some(defence_matrix(&data)),
            Shown::Arrows => Some(before_after(&data, &asr.value()?)),
        }
    });
    let loaded = Memo::new(move |_| drawn.with(Option::is_some));
    let figure = Signal::derive(move || drawn.get().unwrap_or_else(|| roc(&[])));
    view! {
        <Show when=move || done.with(Option::is_some)>
            <section class="panel" id="defence-matrix">
                <div class="panel-head"><h2>"Attacks against defences"</h2></div>
                <div class="panel-body stack">
                    <Segmented
                        label="Shows"
                        choices=Shown::choices()
                        value=Signal::derive(move || Some(shows.get()))
                        choose=Callback::new(move |shows: Shown| {
                            let other = shows != first.get();
                            set_shows.set(other.then(|| shows.name().to_owned()));
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

/// The encoders that the study's defences judged.
#[component]
pub fn EncoderPanel(study: Memo<Option<StudyDetail>>) -> impl IntoView {
    let judged = Memo::new(move |_| {
        study.with(|study| {
            let runs = study.iter().flat_map(|study| &study.runs).filter(|run| has_judged(run));
            let of_encoders = runs.filter(|run| {
                run.progress.judgement.is_some_and(|judgement| judgement.encoder.is_some())
            });
            of_encoders.map(|run| run.id.to_string()).collect::<Vec<_>>().join(",")
        })
    });
    let numbers: Fetched<Vec<JudgedEncoder>> = fetched(move || {
        let runs = judged.get();
        (!runs.is_empty()).then(|| format!("/results/encoders{}", api::query(&[("runs", &runs)])))
    });
    let downloads = Signal::derive(move || {
        let runs = judged.get();
        (!runs.is_empty()).then(|| Downloads { runs, ..Downloads::default() })
    });
    let figure = Signal::derive(move || encoders(&numbers.value().unwrap_or_default()));
    view! {
        <Show when=move || judged.with(|runs| !runs.is_empty())>
            <section class="panel" id="encoders">
                <div class="panel-head"><h2>"Encoders"</h2></div>
                <div class="panel-body stack">
                    {move || numbers.problem().map(|problem| view! { <ProblemBox problem/> })}
                    <Show when=move || numbers.value().is_some()>
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
    use shared::{
        Settings,
        metric::{Metrics, OfEncoder},
        run::RunPoint,
        study::{Axis, presets},
    };

    use super::*;

    #[test]
    fn what_is_shown_is_read_as_it_was_written() {
        for (shown, _) in Shown::choices() {
            assert_eq!(Shown::read(Some(shown.name())), Some(shown));
        }
        assert_eq!((Shown::read(Some("nothing")), Shown::read(None)), (None, None));
    }

    #[test]
    fn the_panel_begins_with_what_its_runs_have() {
        let mut run = crate::fixture::row(RunPoint::of(RunKind::Defence, &Settings::default()));
        let first = |run: &RunRow| Shown::first(std::iter::once(run));
        assert_eq!(first(&run), Shown::Matrix(MatrixShows::Auroc), "none is done");
        let encoder = OfEncoder { clean_cosine: 0.5, pl1: None, flagged: Some(false) };
        let mut said = Judgement { encoder: Some(encoder), ..Judgement::default() };
        run.progress.judgement = Some(said);
        assert_eq!(first(&run), Shown::Matrix(MatrixShows::Pl1));
        said.after = Some(Metrics::default());
        run.progress.judgement = Some(said);
        assert_eq!(first(&run), Shown::Matrix(MatrixShows::Asr), "of a repair");
    }

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
