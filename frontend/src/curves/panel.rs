//! The live chart of runs: one tab for each quantity.

use leptos::prelude::*;
use shared::{
    RunId, RunKind,
    chart::{
        CurveKind, CurveLook, CurveSeries, EpochSeries, Figure, FigureKind, accuracy_by_epoch,
        curve,
    },
};

use super::{
    choices::{ChoiceBar, Choices},
    trace::Traces,
};
use crate::chart::{Downloads, FigureBox};

/// A run whose curve is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The run.
    pub run: RunId,
    /// What it is.
    pub kind: RunKind,
    /// Its name in the legend.
    pub label: String,
}

/// The figure of a tab.
fn figure(kind: FigureKind, lines: &[Line], traces: &Traces, look: CurveLook) -> Figure {
    if let FigureKind::Curve(which) = kind {
        let series = |line: &Line| {
            CurveSeries::from_events(which, line.run, &*line.label, traces.of(line.run))
        };
        return curve(which, &lines.iter().map(series).collect::<Vec<_>>(), look);
    }
    let series = |line: &Line| {
        EpochSeries::from_events(line.run, line.kind, &*line.label, traces.of(line.run))
    };
    accuracy_by_epoch(&lines.iter().map(series).collect::<Vec<_>>())
}

/// The chart with its choices.
#[component]
pub fn Curves(
    /// The runs, in the order of the legend.
    lines: Memo<Vec<Line>>,
    /// Their events.
    traces: Signal<Traces>,
    /// Called with the run whose curve was clicked.
    pick: Callback<String>,
    /// Further chips beside the choices.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let kinds = Memo::new(move |_| {
        let mut kinds: Vec<_> =
            lines.with(|lines| lines.iter().map(|line| line.kind).collect::<Vec<_>>());
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    });
    let choices = Choices::of(kinds);
    let shown = Memo::new(move |_| {
        let kind = choices.kind.get().unwrap_or(FigureKind::Curve(CurveKind::Loss));
        let look = choices.look.get();
        lines.with(|lines| traces.with(|traces| figure(kind, lines, traces, look)))
    });
    let downloads = Signal::derive(move || {
        let runs = lines.with(|lines| {
            lines.iter().map(|line| line.run.to_string()).collect::<Vec<_>>().join(",")
        });
        let more = choices.query();
        (!runs.is_empty()).then(|| Downloads { runs, more, ..Downloads::default() })
    });
    let drawn =
        Memo::new(move |_| choices.kind.get().map(|kind| matches!(kind, FigureKind::Curve(_))));
    // Only a curve takes a range of epochs.
    let chart = move || {
        Some(if drawn.get()? {
            let brush = choices.brushed();
            view! { <FigureBox figure=shown height=300 downloads pick brush/> }.into_any()
        } else {
            view! { <FigureBox figure=shown height=300 downloads pick/> }.into_any()
        })
    };
    let children = children.map(|children| children());
    view! {
        <div class="curves">
            <ChoiceBar choices>{children}</ChoiceBar>
            {chart}
        </div>
    }
}
