//! Training quantities by epoch: loss, learning rate, speed.

use serde::{Deserialize, Serialize};

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    role::Role,
    table::{Table, number},
};
use crate::{RunEvent, RunId, Stamped};

/// A line with more points than this is thinned for the picture; the table keeps all points.
const POINTS_UP_TO: usize = 600;

/// Which quantity of the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CurveKind {
    /// Training loss.
    Loss,
    /// Learning rate.
    LearningRate,
    /// Images per second.
    Speed,
}

impl CurveKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Loss, Self::LearningRate, Self::Speed];

    /// The name shown in pages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Training loss",
            Self::LearningRate => "Learning rate",
            Self::Speed => "Speed",
        }
    }

    /// Name and unit, for the axis.
    fn axis(self) -> &'static str {
        match self {
            Self::Loss => "training loss",
            Self::LearningRate => "learning rate",
            Self::Speed => "images/s",
        }
    }
}

/// One quantity of one run by epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurveSeries {
    /// The run.
    pub run: RunId,
    /// Short label of the run, for the legend.
    pub label: String,
    /// The values by increasing epoch.
    pub points: Vec<CurvePoint>,
}

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CurvePoint {
    /// Epochs done, including the fraction of the current one.
    pub epoch: f64,
    /// The value.
    pub value: f64,
}

impl CurveSeries {
    /// The steps among a run's events; for a run without step events, its epochs.
    pub fn from_events(
        kind: CurveKind,
        run: RunId,
        label: impl Into<String>,
        events: &[Stamped],
    ) -> Self {
        let choose = |loss, lr, speed| match kind {
            CurveKind::Loss => loss,
            CurveKind::LearningRate => lr,
            CurveKind::Speed => speed,
        };
        let steps = events.iter().filter_map(|stamped| match stamped.event {
            RunEvent::Step { epoch, loss, lr, images_per_second, .. } => {
                Some(CurvePoint { epoch, value: choose(loss, lr, images_per_second) })
            }
            _ => None,
        });
        let mut points: Vec<_> = steps.collect();
        if points.is_empty() {
            points.extend(events.iter().filter_map(|stamped| match stamped.event {
                RunEvent::Epoch { epoch, loss, lr, images_per_second, .. } => Some(CurvePoint {
                    epoch: f64::from(epoch),
                    value: choose(loss, lr, images_per_second),
                }),
                _ => None,
            }));
        }
        Self { run, label: label.into(), points }
    }
}

/// The curves of one quantity, one line per run. Values that are not finite (a diverged loss) leave a gap in the table only.
pub fn curve(kind: CurveKind, runs: &[CurveSeries]) -> Figure {
    let runs: Vec<_> = runs.iter().filter(|run| !run.points.is_empty()).collect();
    let finite =
        || runs.iter().flat_map(|run| run.points.iter()).filter(|point| point.value.is_finite());
    let low = finite().map(|point| point.value).fold(f64::INFINITY, f64::min);
    let high = finite().map(|point| point.value).fold(f64::NEG_INFINITY, f64::max);
    // A loss varies in a narrow range; the axis of a rate or a speed starts at 0.
    let low = if kind == CurveKind::Loss { low } else { 0.0 };
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let last = finite().map(|point| point.epoch).fold(0.0, f64::max);
    let mut series = Vec::new();
    let mut legend = Vec::new();
    for (at, run) in runs.iter().enumerate() {
        let shape = Shape::Line { dash: false, marker: None };
        let look = Look { role: Role::series(at), opacity: 100, shape };
        if runs.len() > 1 {
            legend.push(Entry { look, label: run.label.clone() });
        }
        series.push(Series { look, points: points(kind, run) });
    }
    Figure {
        kind: FigureKind::Curve(kind),
        title: match &runs[..] {
            [only] => format!("{}: {}", kind.title(), only.label),
            _ => kind.title().into(),
        },
        summary: format!("Lines of the {} over the epochs of {} runs.", kind.axis(), runs.len()),
        empty: "No step yet: the curve begins with the first one.",
        x: Axis {
            label: "epoch".into(),
            scale: Scale::Linear { low: 0.0, high: if last > 0.0 { last } else { 1.0 } },
        },
        y: Axis { label: kind.axis().into(), scale: Scale::Linear { low, high } },
        series,
        legend,
        note: String::new(),
        table: table(kind, &runs),
    }
}

fn points(kind: CurveKind, run: &CurveSeries) -> Vec<Point> {
    let finite: Vec<_> =
        run.points.iter().filter(|point| point.value.is_finite()).copied().collect();
    let point = |at: &CurvePoint| {
        let value = match kind {
            CurveKind::Loss => format!("loss {:.4}", at.value),
            CurveKind::LearningRate => format!("learning rate {:.2e}", at.value),
            CurveKind::Speed => format!("{:.0} images/s", at.value),
        };
        Point {
            x: at.epoch,
            y: at.value,
            text: format!("{}\nepoch {:.2}: {value}", run.label, at.epoch),
            id: Some(run.run.to_string()),
            ..Point::default()
        }
    };
    thinned(&finite).iter().map(point).collect()
}

/// Keeps the lowest and the highest point of each section, so that no peak is lost.
fn thinned(points: &[CurvePoint]) -> Vec<CurvePoint> {
    if points.len() <= POINTS_UP_TO {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS_UP_TO / 2);
    let mut kept = Vec::with_capacity(POINTS_UP_TO);
    for chunk in points.chunks(stretch) {
        let by_value =
            |a: &(usize, &CurvePoint), b: &(usize, &CurvePoint)| a.1.value.total_cmp(&b.1.value);
        let lowest = chunk.iter().enumerate().min_by(by_value).map_or(0, |(at, _)| at);
        let highest = chunk.iter().enumerate().max_by(by_value).map_or(0, |(at, _)| at);
        kept.push(chunk[lowest.min(highest)]);
        if lowest != highest {
            kept.push(chunk[lowest.max(highest)]);
        }
    }
    kept
}

fn table(kind: CurveKind, runs: &[&CurveSeries]) -> Table {
    let value = match kind {
        CurveKind::Loss => "loss",
        CurveKind::LearningRate => "learning rate",
        CurveKind::Speed => "speed (images/s)",
    };
    let mut table = Table::new(&["run", "name", "epoch", value]);
    for run in runs {
        for point in &run.points {
            table.rows.push(vec![
                run.run.to_string(),
                run.label.clone(),
                number(Some(point.epoch), 4),
                number(point.value.is_finite().then_some(point.value), 9),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_peaks_and_the_order() {
        let points: Vec<_> = (0..5000)
            .map(|i| CurvePoint {
                epoch: f64::from(i) / 100.0,
                value: if i == 2345 { 9.0 } else { f64::from(i % 7) / 10.0 },
            })
            .collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_UP_TO + 2, "{}", thin.len());
        assert!(thin.iter().any(|point| (point.value - 9.0).abs() < 1e-12));
        assert!(thin.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    }
}
