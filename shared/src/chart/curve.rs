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

/// How curves are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CurveLook {
    /// Weight of the past in the running mean, at least 0 and below 1; 0 draws the values as they are.
    pub smoothing: f64,
    /// Whether the values are on a logarithmic axis, which leaves out those that are not above 0.
    pub log: bool,
    /// The epochs to show, first and last; all if there are none.
    pub epochs: Option<(f64, f64)>,
}

impl CurveLook {
    /// Reads two epochs, such as `10,20`; `None` unless both are numbers and the first is smaller.
    pub fn read_epochs(text: &str) -> Option<(f64, f64)> {
        let (first, last) = text.split_once(',')?;
        let range: (f64, f64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (range.0 < range.1 && range.0.is_finite() && range.1.is_finite()).then_some(range)
    }
}

/// The exponential running mean of values by epoch, as `TensorBoard` draws it: `m_n = w * m_(n-1) + (1 - w) * v_n` from
/// `m_0 = 0`, divided by `1 - w^n` so that the first values are not drawn towards 0 (Kingma and Ba, "Adam", section 3).
fn smoothed(points: &[CurvePoint], weight: f64) -> Vec<CurvePoint> {
    let (mut mean, mut left) = (0.0, 1.0);
    let next = |point: &CurvePoint| {
        mean = weight * mean + (1.0 - weight) * point.value;
        left *= weight;
        CurvePoint { value: mean / (1.0 - left), ..*point }
    };
    points.iter().map(next).collect()
}

/// Opacity in percent of the values behind their running mean.
const BEHIND: u8 = 25;

/// The curves of one quantity, one line per run. Values that are not finite (a diverged loss) leave a gap in the table
/// only. The table holds the values, not their running mean.
pub fn curve(kind: CurveKind, runs: &[CurveSeries], look: CurveLook) -> Figure {
    let runs: Vec<_> = runs.iter().filter(|run| !run.points.is_empty()).collect();
    let smooths = look.smoothing > 0.0;
    let mut series = Vec::new();
    let mut legend = Vec::new();
    let mut y = Extent::default();
    let mut last = 0.0_f64;
    for (at, run) in runs.iter().enumerate() {
        let values = shown(run, look);
        last = values.iter().map(|point| point.epoch).fold(last, f64::max);
        let means = if smooths { smoothed(&values, look.smoothing) } else { Vec::new() };
        let line = |opacity| {
            let shape = Shape::Line { dash: false, marker: None };
            Look { role: Role::series(at), opacity, shape }
        };
        if smooths {
            let values = zoomed(&values, look);
            y.take(&values);
            let mut behind = points(kind, run, &values);
            // Only the mean reacts to the pointer.
            for point in &mut behind {
                point.text.clear();
                point.value.clear();
            }
            series.push(Series::new(line(BEHIND), behind));
        }
        let drawn = zoomed(if smooths { &means } else { &values }, look);
        y.take(&drawn);
        if runs.len() > 1 {
            legend.push(Entry::new(line(100), &run.label));
        }
        series.push(Series::new(line(100), points(kind, run, &drawn)).named(&run.label));
    }
    // A loss varies in a narrow range; the axis of a rate or a speed starts at 0.
    let (low, high) = y.range(kind != CurveKind::Loss && !look.log);
    let scale = if look.log { Scale::Log { low, high } } else { Scale::Linear { low, high } };
    let all = (0.0, if last > 0.0 { last } else { 1.0 });
    let (first, last) = look.epochs.unwrap_or(all);
    Figure {
        kind: FigureKind::Curve(kind),
        title: match &runs[..] {
            [only] => format!("{}: {}", kind.title(), only.label),
            _ => kind.title().into(),
        },
        summary: format!("Lines of the {} over the epochs of {} runs.", kind.axis(), runs.len()),
        empty: "No step was trained. The curve begins with the first one.",
        x: Axis { label: "epoch".into(), scale: Scale::Linear { low: first, high: last } },
        y: Axis { label: kind.axis().into(), scale },
        panels: Vec::new(),
        series,
        legend,
        note: if smooths {
            format!("Running mean with weight {} over the values, which are faint.", look.smoothing)
        } else {
            String::new()
        },
        table: table(kind, &runs),
    }
}

/// The values of a run that an axis can show.
fn shown(run: &CurveSeries, look: CurveLook) -> Vec<CurvePoint> {
    let fits = |point: &&CurvePoint| point.value.is_finite() && (!look.log || point.value > 0.0);
    run.points.iter().filter(fits).copied().collect()
}

/// Those within the epochs to show.
fn zoomed(points: &[CurvePoint], look: CurveLook) -> Vec<CurvePoint> {
    let (first, last) = look.epochs.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let within = |point: &&CurvePoint| (first..=last).contains(&point.epoch);
    points.iter().filter(within).copied().collect()
}

/// The lowest and the highest value.
#[derive(Default)]
struct Extent(Option<(f64, f64)>);

impl Extent {
    fn take(&mut self, points: &[CurvePoint]) {
        for point in points {
            let (low, high) = self.0.unwrap_or((point.value, point.value));
            self.0 = Some((low.min(point.value), high.max(point.value)));
        }
    }

    /// The range of an axis, from 0 where it is `whole`.
    fn range(&self, whole: bool) -> (f64, f64) {
        let (low, high) = self.0.unwrap_or((if whole { 0.0 } else { 0.1 }, 1.0));
        (if whole { 0.0 } else { low }, high)
    }
}

fn points(kind: CurveKind, run: &CurveSeries, values: &[CurvePoint]) -> Vec<Point> {
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
            value,
            id: Some(run.run.to_string()),
            ..Point::default()
        }
    };
    thinned(values).iter().map(point).collect()
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

    fn series(values: &[f64]) -> CurveSeries {
        let point = |(at, &value): (usize, &f64)| CurvePoint { epoch: at as f64, value };
        let points = values.iter().enumerate().map(point).collect();
        CurveSeries { run: RunId::from_parts(1, [1; 10]), label: "one".into(), points }
    }

    #[test]
    fn a_range_of_epochs_is_read() {
        assert_eq!(CurveLook::read_epochs("1.5, 20"), Some((1.5, 20.0)));
        for wrong in ["", "3", "5,4", "1,inf", "a,b"] {
            assert_eq!(CurveLook::read_epochs(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_running_mean_has_the_values_of_its_equation() {
        // By hand with w = 0.5: m = 0.5, 1.25, 0.625 + 2; divided by 0.5, 0.75, 0.875.
        let means = smoothed(&series(&[1.0, 2.0, 4.0]).points, 0.5);
        let values: Vec<f64> = means.iter().map(|point| point.value).collect();
        for (value, expected) in values.iter().zip([1.0, 1.25 / 0.75, 2.625 / 0.875]) {
            assert!((value - expected).abs() < 1e-12, "{values:?}");
        }
        let same = smoothed(&series(&[3.0; 50]).points, 0.97);
        assert!(same.iter().all(|point| (point.value - 3.0).abs() < 1e-12));
    }

    #[test]
    fn a_mean_is_drawn_over_its_values_and_alone_answers_the_pointer() {
        let look = CurveLook { smoothing: 0.6, ..CurveLook::default() };
        let runs = [series(&[1.0, 5.0, 2.0, 4.0])];
        let figure = curve(CurveKind::Loss, &runs, look);
        assert_eq!(
            figure.series.iter().map(|line| line.look.opacity).collect::<Vec<_>>(),
            [25, 100]
        );
        let marks = figure.draw(crate::chart::Size::FILE, crate::chart::Style::Page).marks;
        assert_eq!(marks.len(), 4);
        assert_eq!(figure.csv(), curve(CurveKind::Loss, &runs, CurveLook::default()).csv());
    }

    #[test]
    fn a_logarithmic_axis_leaves_out_what_it_cannot_show() {
        let look = CurveLook { log: true, ..CurveLook::default() };
        let figure = curve(CurveKind::Loss, &[series(&[0.0, 10.0, 0.01, -1.0])], look);
        assert_eq!(figure.series[0].points.len(), 2);
        assert_eq!(figure.y.scale, Scale::Log { low: 0.01, high: 10.0 });
    }

    #[test]
    fn a_zoom_keeps_the_mean_of_what_came_before() {
        let runs = [series(&[9.0, 1.0, 1.0, 3.0])];
        let all = CurveLook { smoothing: 0.5, ..CurveLook::default() };
        let part = CurveLook { epochs: Some((2.0, 3.0)), ..all };
        let last = |look| curve(CurveKind::Loss, &runs, look).series[1].points.clone();
        assert_eq!(last(part), last(all)[2..]);
    }

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
