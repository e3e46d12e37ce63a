//! Accuracy and attack success rate while a classifier trains.

use serde::{Deserialize, Serialize};

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    marker::Marker,
    role::Role,
    table::{Table, number},
    text::{interval_text, percent_text},
    tradeoff::percent_cells,
};
use crate::{
    RunEvent, RunId, RunKind, Stamped,
    metric::{Metrics, Ratio},
};

/// The evaluations of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EpochSeries {
    /// The run.
    pub run: RunId,
    /// Short label of the run, for the legend.
    pub label: String,
    /// Whether nearest neighbours classified, which means that the run is a pre-training.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub knn: bool,
    /// Its evaluations by increasing epoch.
    pub points: Vec<EpochPoint>,
}

/// One evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EpochPoint {
    /// Epochs done.
    pub epoch: u32,
    /// The counts.
    pub metrics: Metrics,
}

impl EpochSeries {
    /// The evaluations among a run's events; those by nearest neighbours for a pre-training.
    pub fn from_events(
        run: RunId,
        kind: RunKind,
        label: impl Into<String>,
        events: &[Stamped],
    ) -> Self {
        let points = events.iter().filter_map(|stamped| match stamped.event {
            RunEvent::Evaluated { epoch, metrics, .. } | RunEvent::Knn { epoch, metrics } => {
                Some(EpochPoint { epoch, metrics })
            }
            _ => None,
        });
        let knn = matches!(kind, RunKind::Pretrain | RunKind::Knn);
        Self { run, label: label.into(), knn, points: points.collect() }
    }
}

/// CA (clean colour, solid) and ASR (triggered colour, dashed) by epoch; the marker identifies the run.
pub fn accuracy_by_epoch(runs: &[EpochSeries]) -> Figure {
    let knn = !runs.is_empty() && runs.iter().all(|run| run.knn);
    let runs: Vec<_> = runs.iter().filter(|run| !run.points.is_empty()).collect();
    let what = if knn { "k-NN accuracy by epoch" } else { "Accuracy by epoch" };
    let mut series = Vec::new();
    let mut legend = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let opacity = opacity(at, runs.len());
        for (name, role, dash, ratio) in [
            ("CA", Role::Clean, false, (|m| m.ca) as fn(Metrics) -> Ratio),
            ("ASR", Role::Triggered, true, |m| m.asr),
        ] {
            let shape = Shape::Line { dash, marker: Some(Marker::series(at)) };
            let look = Look { role, opacity, shape };
            if at == 0 {
                let shape = if runs.len() > 1 { Shape::Line { dash, marker: None } } else { shape };
                legend.push(Entry::new(Look { shape, ..look }, name));
            }
            let named = if runs.len() > 1 { format!("{name}, {}", run.label) } else { name.into() };
            series.push(Series::new(look, points(run, name, ratio)).named(named));
        }
    }
    if runs.len() > 1 {
        for (at, run) in runs.iter().enumerate() {
            let shape = Shape::Points { marker: Marker::series(at) };
            let look = Look { role: Role::Muted, opacity: opacity(at, runs.len()), shape };
            legend.push(Entry::new(look, &run.label));
        }
    }
    let last = runs.iter().flat_map(|run| run.points.iter().map(|point| point.epoch)).max();
    Figure {
        kind: FigureKind::AccuracyByEpoch,
        title: match &runs[..] {
            [only] => format!("{what}: {}", only.label),
            _ => what.into(),
        },
        summary: format!(
            "Lines of clean accuracy and attack success rate in percent over the epochs of {} runs.",
            runs.len()
        ),
        empty: if knn {
            "No point yet: a point appears for each checkpoint that nearest neighbours evaluate."
        } else {
            "No evaluation yet: a point appears each time the classifier is evaluated."
        },
        x: Axis {
            label: "epoch".into(),
            scale: Scale::Linear { low: 0.0, high: f64::from(last.unwrap_or(1)) },
        },
        y: Axis { label: "CA, ASR (%)".into(), scale: Scale::Percent },
        panels: Vec::new(),
        series,
        legend,
        note: if knn {
            "Whiskers: 95 % Wilson intervals. 20 nearest neighbours by their cosine on CLS features, temperature 0.07.".into()
        } else {
            "Whiskers: 95 % Wilson intervals.".into()
        },
        table: table(&runs),
    }
}

/// The first run is opaque, the last lightest.
fn opacity(at: usize, of: usize) -> u8 {
    if of > 1 { 100 - (40 * at / (of - 1)) as u8 } else { 100 }
}

fn points(run: &EpochSeries, name: &str, ratio: fn(Metrics) -> Ratio) -> Vec<Point> {
    let point = |at: &EpochPoint| {
        let ratio = ratio(at.metrics);
        let interval = ratio.wilson95()?;
        Some(Point {
            x: f64::from(at.epoch),
            y: ratio.percent()?,
            y_range: Some((interval.low * 100.0, interval.high * 100.0)),
            text: format!(
                "{}\nepoch {}: {name} {} ({})",
                run.label,
                at.epoch,
                percent_text(ratio),
                interval_text(ratio)
            ),
            value: percent_text(ratio),
            id: Some(run.run.to_string()),
            ..Point::default()
        })
    };
    run.points.iter().filter_map(point).collect()
}

fn table(runs: &[&EpochSeries]) -> Table {
    let mut table = Table::new(&[
        "run",
        "name",
        "epoch",
        "ca (%)",
        "ca low 95 (%)",
        "ca high 95 (%)",
        "asr (%)",
        "asr low 95 (%)",
        "asr high 95 (%)",
        "ra (%)",
        "ra low 95 (%)",
        "ra high 95 (%)",
    ]);
    for run in runs {
        for point in &run.points {
            let mut cells = vec![
                run.run.to_string(),
                run.label.clone(),
                number(Some(f64::from(point.epoch)), 0),
            ];
            for ratio in [point.metrics.ca, point.metrics.asr, point.metrics.ra] {
                cells.extend(percent_cells(ratio));
            }
            table.rows.push(cells);
        }
    }
    table
}
