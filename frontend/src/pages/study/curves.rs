//! The live chart of the selected run: one tab for each number.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    Phase,
    api::RunRow,
    chart::{CurveKind, CurveSeries, EpochSeries, Figure, FigureKind, accuracy_by_epoch, curve},
};

use super::trace::Trace;
use crate::{
    chart::{Downloads, FigureBox},
    components::Segmented,
};

/// The tabs of a phase: a pre-training's accuracy is that of nearest neighbours.
fn tabs(phase: Phase) -> Vec<(FigureKind, String)> {
    let accuracy = if phase == Phase::Pretrain { "k-NN accuracy" } else { "Accuracy by epoch" };
    vec![
        (FigureKind::Curve(CurveKind::Loss), "Loss".to_owned()),
        (FigureKind::Curve(CurveKind::LearningRate), "Learning rate".to_owned()),
        (FigureKind::Curve(CurveKind::Speed), "Images/s".to_owned()),
        (FigureKind::AccuracyByEpoch, accuracy.to_owned()),
    ]
}

/// The tab to show: the chosen one where the phase has it, else the first.
fn tab(chosen: Option<&str>, phase: Phase) -> FigureKind {
    let chosen = chosen.and_then(|name| name.parse::<FigureKind>().ok());
    let tabs = tabs(phase);
    chosen.filter(|kind| tabs.iter().any(|(tab, _)| tab == kind)).unwrap_or(tabs[0].0)
}

/// The figure of a tab.
fn figure(kind: FigureKind, run: &RunRow, trace: &Trace) -> Figure {
    let events = if trace.run == Some(run.id) { &trace.events[..] } else { &[] };
    let label = run.point.label();
    match kind {
        FigureKind::Curve(which) => {
            curve(which, &[CurveSeries::from_events(which, run.id, label, events)])
        }
        _ => accuracy_by_epoch(&[EpochSeries::from_events(run.id, run.point.phase, label, events)]),
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
    let phase = Memo::new(move |_| run.with(|run| run.as_ref().map(|run| run.point.phase)));
    let kind = Memo::new(move |_| phase.get().map(|phase| tab(chosen.get().as_deref(), phase)));
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
        phase.get().map(|phase| {
            view! {
                <Segmented label="Number to show" choices=tabs(phase) value=kind choose=picked/>
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
    fn every_phase_has_its_accuracy_and_no_other_figure() {
        let accuracy = Some("accuracy-by-epoch");
        for (phase, name) in
            [(Phase::Probe, "Accuracy by epoch"), (Phase::Pretrain, "k-NN accuracy")]
        {
            assert_eq!(tab(accuracy, phase), FigureKind::AccuracyByEpoch);
            assert_eq!(tabs(phase)[3].1, name);
        }
        assert_eq!(tab(Some("tradeoff"), Phase::Probe), FigureKind::Curve(CurveKind::Loss));
    }
}
