//! The cost of an attack: clean accuracy against attack success rate, one point per run.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape, Tag},
    marker::Marker,
    role::Role,
    table::{Table, number},
    text::{interval_text, percent_text},
};
use crate::{
    api::RunRow,
    id::StudyId,
    metric::{Metrics, Ratio},
    param::{Value, told},
    run::RunState,
};

/// Above this number of points, their tags would overlap.
const TAGS_UP_TO: usize = 24;

/// The finished classifiers that were trained among `rows`, with their results.
pub(super) fn finished(rows: &[RunRow]) -> impl Iterator<Item = (&RunRow, Metrics)> {
    rows.iter()
        .filter(|row| row.state == RunState::Done && row.optimizer.is_some())
        .filter_map(|row| row.metrics.map(|metrics| (row, metrics)))
}

/// Clean accuracy (x) against attack success rate (y) of the finished classifiers among `rows`, with 95 % Wilson
/// intervals. The colour shows the study and, within it, the trigger and the other varied settings; the shape distinguishes a clean from an
/// attacked encoder.
pub fn tradeoff(rows: &[RunRow]) -> Figure {
    let points: Vec<_> = finished(rows).collect();
    let group = |row: &RunRow| -> (StudyId, Vec<(String, Value)>) {
        let varied = row.varied_besides().map(|(path, value)| (path.to_owned(), value.clone()));
        (row.study, varied.collect())
    };
    let many = distinct(points.iter().map(|(row, _)| row.study)).len() > 1;
    let groups = distinct(points.iter().map(|(row, _)| group(row)));
    let tags = points.len() <= TAGS_UP_TO;
    let mut series = Vec::new();
    let mut legend = Vec::new();
    for (at, one) in groups.iter().enumerate() {
        let members: Vec<_> = points.iter().filter(|(row, _)| group(row) == *one).collect();
        let Some((first, _)) = members.first() else { continue };
        let mut label = first.trigger.clone();
        // The trigger's name already contains its strength.
        for (path, value) in one.1.iter().filter(|(path, _)| !path.starts_with("attack.trigger.")) {
            label = format!("{label}, {}", told(path, value));
        }
        if many {
            label = format!("{} ({label})", first.study_name);
        }
        let look =
            |marker| Look { role: Role::series(at), opacity: 100, shape: Shape::Points { marker } };
        legend.push(Entry::new(look(Marker::Square), label));
        for attacked in [false, true] {
            let members = members.iter().filter(|(row, _)| row.point.attacks_encoder() == attacked);
            let points: Vec<_> =
                members.filter_map(|(row, metrics)| point(row, *metrics, tags)).collect();
            if !points.is_empty() {
                series.push(Series::new(look(encoder_marker(attacked)), points));
            }
        }
    }
    if !points.is_empty() {
        for (attacked, label) in [(false, "clean encoder"), (true, "attacked encoder")] {
            let shape = Shape::Points { marker: encoder_marker(attacked) };
            legend.push(Entry::new(Look { role: Role::Muted, opacity: 100, shape }, label));
        }
    }
    Figure {
        kind: FigureKind::Tradeoff,
        title: "Clean accuracy against attack success rate".into(),
        summary: format!(
            "Scatter of {} finished runs: clean accuracy in percent from left to right, attack success rate in percent \
             from bottom to top.",
            points.len()
        ),
        empty: "No classifier has finished. Each one that does has a point here.",
        x: Axis { label: "clean accuracy, CA (%)".into(), scale: fitted(&series) },
        y: Axis { label: "attack success rate, ASR (%)".into(), scale: Scale::Percent },
        panels: Vec::new(),
        series,
        legend,
        note:
            "One point a run. Whiskers: 95 % Wilson intervals. The axis of CA is cut to the data."
                .into(),
        table: table(&points),
    }
}

/// An axis in percent around the points and their intervals: CA usually differs by a few points, which an axis to 100 % would hide. It spans
/// at least ten points, so that chance does not look like a difference.
pub(super) fn fitted(series: &[Series]) -> Scale {
    let ranges = series.iter().flat_map(|one| &one.points);
    let ranges = ranges.map(|point| point.x_range.unwrap_or((point.x, point.x)));
    let Some((low, high)) = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
        return Scale::Percent;
    };
    let spare = (10.0 - (high - low)).max(0.0) / 2.0;
    Scale::Linear { low: (low - spare).max(0.0), high: (high + spare).min(100.0) }
}

fn encoder_marker(attacked: bool) -> Marker {
    if attacked { Marker::Triangle } else { Marker::Ring }
}

/// The distinct items of a list, in order of first occurrence.
pub(super) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

fn percent_range(ratio: Ratio) -> Option<(f64, f64)> {
    ratio.wilson95().map(|interval| (interval.low * 100.0, interval.high * 100.0))
}

fn point(row: &RunRow, metrics: Metrics, tags: bool) -> Option<Point> {
    let share = |name, ratio| format!("{name} {} ({})", percent_text(ratio), interval_text(ratio));
    Some(Point {
        x: metrics.ca.percent()?,
        y: metrics.asr.percent()?,
        x_range: percent_range(metrics.ca),
        y_range: percent_range(metrics.asr),
        text: [
            format!("{}: {}", row.study_name, row.trigger),
            format!("{} ({})", row.label(), row.trained_by()),
            share("CA", metrics.ca),
            share("ASR", metrics.asr),
        ]
        .join("\n"),
        tag: tags.then(|| Tag {
            text: format!("{} {}", row.point.rate_name(), row.point.lpr),
            left: !row.point.attacks_encoder(),
        }),
        id: Some(row.id.to_string()),
        ..Point::default()
    })
}

fn table(points: &[(&RunRow, Metrics)]) -> Table {
    let mut table = Table::new(&[
        "study",
        "run",
        "data set",
        "trigger",
        "trigger strength",
        "optimizer",
        "head init",
        "trained",
        "ppr (images per class)",
        "lpr or fpr (images per class)",
        "seed",
        "n clean (images)",
        "n triggered (images)",
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
    for (row, metrics) in points {
        let mut cells = vec![
            row.study_name.clone(),
            row.id.to_string(),
            row.dataset.clone(),
            row.trigger.clone(),
            number(Some(row.strength), 4),
            row.optimizer.map_or("", |optimizer| optimizer.as_str()).to_owned(),
            row.head_init.map_or("", |head_init| head_init.as_str()).to_owned(),
            row.point.title().to_lowercase(),
            row.point.ppr.to_string(),
            row.point.lpr.to_string(),
            row.point.seed.to_string(),
            metrics.ca.total.to_string(),
            metrics.asr.total.to_string(),
        ];
        for ratio in [metrics.ca, metrics.asr, metrics.ra] {
            cells.extend(percent_cells(ratio));
        }
        table.rows.push(cells);
    }
    table
}

/// A share and its interval in percent, for a table.
pub(super) fn percent_cells(ratio: Ratio) -> [String; 3] {
    let range = percent_range(ratio);
    [
        number(ratio.percent(), 4),
        number(range.map(|(low, _)| low), 4),
        number(range.map(|(_, high)| high), 4),
    ]
}
