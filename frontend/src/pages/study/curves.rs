//! The live chart of the selected run: one tab for each quantity.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    RunKind,
    api::RunRow,
    chart::{CurveKind, CurveSeries, EpochSeries, Figure, FigureKind, accuracy_by_epoch, curve},
};

use super::trace::Trace;
use crate::{
    chart::{Downloads, FigureBox},
    components::Segmented,
};

/// The tabs of a run of this kind: nearest neighbours train nothing, and they evaluate a pre-training.
fn tabs(kind: RunKind) -> Vec<(FigureKind, String)> {
    let trained = [
        (FigureKind::Curve(CurveKind::Loss), "Loss"),
        (FigureKind::Curve(CurveKind::LearningRate), "Learning rate"),
        (FigureKind::Curve(CurveKind::Speed), "Images/s"),
    ];
    let accuracy = |name| (FigureKind::AccuracyByEpoch, name);
    let tabs = match kind {
        RunKind::Pretrain => trained.to_vec(),
        RunKind::Knn => vec![accuracy("k-NN accuracy by epoch")],
        RunKind::Probe | RunKind::Finetune => {
            trained.into_iter().chain([accuracy("Accuracy by epoch")]).collect()
        }
    };
    tabs.into_iter().map(|(tab, name)| (tab, name.to_owned())).collect()
}

/// The tab to show: the chosen one if the kind has it, otherwise the first.
fn tab(chosen: Option<&str>, of: RunKind) -> FigureKind {
    let chosen = chosen.and_then(|name| name.parse::<FigureKind>().ok());
    let tabs = tabs(of);
    chosen.filter(|kind| tabs.iter().any(|(tab, _)| tab == kind)).unwrap_or(tabs[0].0)
}

/// The figure of a tab.
fn figure(kind: FigureKind, run: &RunRow, trace: &Trace) -> Figure {
    let events = if trace.run == Some(run.id) { &trace.events[..] } else { &[] };
    let label = run.label();
    match kind {
        FigureKind::Curve(which) => {
            curve(which, &[CurveSeries::from_events(which, run.id, label, events)])
        }
        _ => accuracy_by_epoch(&[EpochSeries::from_events(run.id, run.point.kind, label, events)]),
    }
}

/// The chart with its tabs.
#[component]
pub fn Curves(
    /// The selected run, without its progress.
    run: Memo<Option<RunRow>>,
    /// Its events.
    trace: Signal<Trace>,
) -> impl IntoView {
    let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (chosen, choose) = query_signal_with_options::<String>("curve", options);
    let of = Memo::new(move |_| run.with(|run| run.as_ref().map(|run| run.point.kind)));
    let kind = Memo::new(move |_| of.get().map(|of| tab(chosen.get().as_deref(), of)));
    let drawn = Signal::derive(move || {
        run.with(|run| {
            let (run, kind) = (run.as_ref()?, kind.get()?);
            Some(trace.with(|trace| figure(kind, run, trace)))
        })
    });
    let downloads = Signal::derive(move || {
        let runs = run.with(|run| run.as_ref().map(|run| run.id.to_string()))?;
        Some(Downloads { runs, ..Downloads::default() })
    });
    let picked = Callback::new(move |kind: FigureKind| {
        choose.set(Some(kind.as_str().to_owned()));
    });
    let bar = move || {
        of.get().map(|of| {
            view! {
                <Segmented label="Quantity to show" choices=tabs(of) value=kind choose=picked/>
            }
        })
    };
    let some = Memo::new(move |_| kind.get().is_some());
    let shown = Signal::derive(move || drawn.get().unwrap_or_else(|| curve(CurveKind::Loss, &[])));
    view! {
        <div class="curves">
            {bar}
            <Show when=move || some.get()>
                <FigureBox figure=shown height=300 downloads/>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_figures() {
        let accuracy = Some("accuracy-by-epoch");
        assert_eq!(tab(accuracy, RunKind::Probe), FigureKind::AccuracyByEpoch);
        assert_eq!(tab(Some("loss"), RunKind::Knn), FigureKind::AccuracyByEpoch);
        let loss = FigureKind::Curve(CurveKind::Loss);
        assert_eq!(tab(accuracy, RunKind::Pretrain), loss);
        assert_eq!(tab(Some("tradeoff"), RunKind::Probe), loss);
    }
}
