//! Any setting or metric against another: marks for runs or for their means, or a grid of means.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape, Tag},
    marker::Marker,
    role::{Role, SERIES},
    table::{Table, number},
};
use crate::{
    api::{PlotAxis, PlotData, PlotKind, PlotScale},
    param::lower,
};

/// Opacity in percent of a cell with the lowest and with the highest value: text stays readable on both.
const CELLS: (f64, f64) = (4.0, 64.0);
/// Above this number of marks, their intervals would hide them.
const WHISKERS_UP_TO: usize = 250;

/// What of a plot is a matter of drawing only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlotLook {
    /// Axes in percent go from 0 to 100 instead of fitting the data.
    pub whole: bool,
    /// Marks the runs that no other run exceeds in both x and y.
    pub front: bool,
}

/// The plot of these numbers. The eight largest groups have a colour and a marker each, the others are grey.
pub fn plot(data: &PlotData, look: PlotLook) -> Figure {
    let (series, legend) = match data.kind {
        PlotKind::Heat => cells(data, look),
        PlotKind::Runs | PlotKind::Means => groups(data),
    };
    let mut series = series;
    let mut legend = legend;
    if look.front && data.kind == PlotKind::Runs {
        let (line, entry) = front(data);
        series.insert(0, line);
        legend.push(entry);
    }
    Figure {
        kind: FigureKind::Plot,
        title: title(data),
        summary: summary(data),
        empty: "No run has a value in both columns: choose other columns, or another filter.",
        x: Axis { label: data.x.label(), scale: scale(&data.x, &places(data, Side::X), look) },
        y: Axis { label: data.y.label(), scale: scale(&data.y, &places(data, Side::Y), look) },
        series,
        legend,
        note: note(data),
        table: table(data),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    X,
    Y,
}

/// All places on an axis, with the ends of their intervals.
fn places(data: &PlotData, side: Side) -> Vec<f64> {
    let marks = &data.marks;
    let (at, ranges) = match side {
        Side::X => (&marks.x, &marks.x_range),
        Side::Y => (&marks.y, &marks.range),
    };
    let drawn = at.len() <= WHISKERS_UP_TO && data.kind != PlotKind::Heat;
    let ends = ranges.iter().flatten().filter(|_| drawn).flat_map(|&(low, high)| [low, high]);
    at.iter().copied().chain(ends).filter(|place| place.is_finite()).collect()
}

fn scale(axis: &PlotAxis, places: &[f64], look: PlotLook) -> Scale {
    let percent = axis.unit == "%";
    let low = places.iter().copied().fold(f64::INFINITY, f64::min);
    let high = places.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match axis.scale {
        PlotScale::Even => Scale::Places(axis.slots.clone()),
        _ if low > high => Scale::Percent,
        PlotScale::Log => {
            let positive = places.iter().copied().filter(|&place| place > 0.0);
            Scale::Log { low: positive.fold(high, f64::min), high }
        }
        _ if percent && look.whole => Scale::Percent,
        // At least ten points, so that chance does not look like a difference.
        _ if percent => {
            let spare = (10.0 - (high - low)).max(0.0) / 2.0;
            Scale::Linear { low: (low - spare).max(0.0), high: (high + spare).min(100.0) }
        }
        _ => Scale::Linear { low, high },
    }
}

fn title(data: &PlotData) -> String {
    match (data.kind, &data.colour) {
        (PlotKind::Heat, Some(metric)) => {
            format!("{} by {} and {}", metric.title, lower(&data.x.title), lower(&data.y.title))
        }
        _ => format!("{} by {}", data.y.title, lower(&data.x.title)),
    }
}

fn summary(data: &PlotData) -> String {
    let what = match data.kind {
        PlotKind::Runs => "one mark a run",
        PlotKind::Means => "one mark a mean over runs",
        PlotKind::Heat => "one cell a mean over runs",
    };
    format!("{} of {} runs, {what}.", title(data), data.drawn)
}

fn note(data: &PlotData) -> String {
    let mut parts = Vec::new();
    let whiskers = data.marks.x.len() <= WHISKERS_UP_TO;
    match data.kind {
        PlotKind::Runs => {
            parts.push("One mark a run.".to_owned());
            let ranges = data.marks.range.iter().chain(&data.marks.x_range);
            if whiskers && ranges.flatten().next().is_some() {
                parts.push("Whiskers: 95 % Wilson intervals.".into());
            }
        }
        PlotKind::Means | PlotKind::Heat => {
            let over = if data.over.is_empty() { "runs".to_owned() } else { listed(&data.over, 4) };
            parts.push(format!("Means over {over}."));
            if data.kind == PlotKind::Means && data.marks.range.iter().flatten().next().is_some() {
                parts.push("Whiskers: 95 % intervals of the mean (Student's t).".into());
            }
        }
    }
    let without = data.runs.saturating_sub(data.drawn);
    if without > 0 {
        let (runs, have) = if without == 1 { ("run", "has") } else { ("runs", "have") };
        parts.push(format!("{without} {runs} without a value {have} no mark."));
    }
    parts.join(" ")
}

/// The first names of a list, and how many more there are.
fn listed(names: &[String], most: usize) -> String {
    let first: Vec<String> = names.iter().take(most).map(|name| lower(name)).collect();
    let first = first.join(", ");
    match names.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more settings"),
    }
}

fn group_of(data: &PlotData, at: usize) -> usize {
    data.marks.group.get(at).map_or(0, |&group| group as usize)
}

fn run_of(data: &PlotData, at: usize) -> Option<String> {
    data.marks.run.get(at).map(ToString::to_string)
}

/// Series and legend of marks by group.
fn groups(data: &PlotData) -> (Vec<Series>, Vec<Entry>) {
    let marks = &data.marks;
    let line = data.kind == PlotKind::Means;
    let look = |group: usize| {
        let marker =
            if group < usize::from(SERIES) { Marker::series(group) } else { Marker::Circle };
        let shape = if line {
            Shape::Line { dash: false, marker: Some(marker) }
        } else {
            Shape::Points { marker }
        };
        Look { role: Role::series(group), opacity: 100, shape }
    };
    let mut members = vec![Vec::new(); data.groups.len().max(1)];
    for at in 0..marks.x.len() {
        if let Some(places) = members.get_mut(group_of(data, at)) {
            places.push(at);
        }
    }
    let whiskers = marks.x.len() <= WHISKERS_UP_TO;
    let point = |at: usize| Point {
        x: marks.x[at] + jitter(data, at),
        y: marks.y[at],
        x_range: marks.x_range.get(at).copied().flatten().filter(|_| whiskers),
        y_range: marks.range.get(at).copied().flatten().filter(|_| whiskers),
        text: text(data, at),
        id: run_of(data, at),
        ..Point::default()
    };
    let mut series = Vec::new();
    // The grey groups lie below the others.
    for (group, places) in members.iter().enumerate().rev() {
        let mut places = places.clone();
        if line {
            places.sort_by(|&a, &b| marks.x[a].total_cmp(&marks.x[b]));
        }
        series.push(Series { look: look(group), points: places.into_iter().map(point).collect() });
    }
    let mut legend = Vec::new();
    if data.colour.is_some() {
        for (at, group) in data.groups.iter().enumerate().take(SERIES.into()) {
            legend.push(Entry { look: look(at), label: group.label.clone() });
        }
        let others = data.groups.len().saturating_sub(SERIES.into());
        if others > 0 {
            legend.push(Entry { look: look(SERIES.into()), label: format!("{others} others") });
        }
    }
    (series, legend)
}

/// Moves runs in one slot apart, each by the same amount in every drawing: the fractional parts of multiples of the golden
/// ratio are spread evenly.
fn jitter(data: &PlotData, at: usize) -> f64 {
    if data.kind != PlotKind::Runs || data.x.scale != PlotScale::Even {
        return 0.0;
    }
    ((at as f64 * 0.618_033_988_749_895).fract() - 0.5) * 0.5
}

/// What a mark tells on hover.
fn text(data: &PlotData, at: usize) -> String {
    let marks = &data.marks;
    let mut lines = Vec::with_capacity(4);
    if let (Some(colour), Some(group)) = (&data.colour, data.groups.get(group_of(data, at)))
        && data.kind != PlotKind::Heat
    {
        lines.push(format!("{}: {}", colour.title, group.label));
    }
    lines.push(format!("{}: {}", data.x.title, data.x.text(marks.x[at])));
    let with_range = |axis: &PlotAxis, value: f64| {
        let range = marks.range.get(at).copied().flatten();
        let range = range.map(|(low, high)| format!(" ({}–{})", bare(axis, low), bare(axis, high)));
        format!("{}: {}{}", axis.title, axis.text(value), range.unwrap_or_default())
    };
    match (&data.colour, data.kind) {
        (Some(metric), PlotKind::Heat) => {
            lines.push(format!("{}: {}", data.y.title, data.y.text(marks.y[at])));
            lines.push(with_range(metric, marks.value.get(at).copied().unwrap_or(f64::NAN)));
        }
        _ => lines.push(with_range(&data.y, marks.y[at])),
    }
    if let Some(&count) = marks.count.get(at) {
        lines.push(format!("{count} {}", if count == 1 { "run" } else { "runs" }));
    }
    lines.join("\n")
}

/// A number without its unit.
fn bare(axis: &PlotAxis, value: f64) -> String {
    let text = axis.text(value);
    let unit = format!(" {}", axis.unit);
    text.strip_suffix(&unit).unwrap_or(&text).to_owned()
}

/// The cells of a grid: CA in its colour, every other metric in that of ASR, stronger the higher the value.
fn cells(data: &PlotData, look: PlotLook) -> (Vec<Series>, Vec<Entry>) {
    let Some(metric) = &data.colour else { return (Vec::new(), Vec::new()) };
    let values = &data.marks.value;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for &value in values.iter().filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if metric.unit == "%" && look.whole {
        (low, high) = (0.0, 100.0);
    }
    let role = if metric.name == "ca" { Role::Clean } else { Role::Triggered };
    let strength = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        (CELLS.0 + share.clamp(0.0, 1.0) * (CELLS.1 - CELLS.0)).round() as u8
    };
    let cell = |opacity| Look { role, opacity, shape: Shape::Cells };
    let points = values.iter().enumerate().map(|(at, &value)| Point {
        x: data.marks.x[at],
        y: data.marks.y[at],
        text: text(data, at),
        tag: Some(Tag { text: bare(metric, value), left: false }),
        strength: strength(value),
        ..Point::default()
    });
    let series = vec![Series { look: cell(100), points: points.collect() }];
    let steps = if low < high { 5 } else { usize::from(low <= high) };
    let legend = (0..steps).map(|step| {
        let value = low + (high - low) * step as f64 / 4.0;
        Entry { look: cell(strength(value)), label: metric.text(value) }
    });
    (series, legend.collect())
}

/// The runs that no other run exceeds in both x and y (Pareto front of the attack: a high ASR at a high CA).
fn front(data: &PlotData) -> (Series, Entry) {
    let (x, y) = (&data.marks.x, &data.marks.y);
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[b].total_cmp(&x[a]).then(y[b].total_cmp(&y[a])));
    let mut best = f64::NEG_INFINITY;
    order.retain(|&at| {
        let better = y[at] > best;
        best = best.max(y[at]);
        better
    });
    order.reverse();
    let point = |at: usize| Point {
        x: x[at],
        y: y[at],
        text: format!("On the front\n{}", text(data, at)),
        id: run_of(data, at),
        ..Point::default()
    };
    let shape = Shape::Line { dash: true, marker: None };
    let look = Look { role: Role::Ink, opacity: 70, shape };
    let points = order.into_iter().map(point).collect();
    let label = "Pareto front: no run is higher in both".into();
    (Series { look, points }, Entry { look, label })
}

fn table(data: &PlotData) -> Table {
    let marks = &data.marks;
    let mut table = Table::default();
    let heat = data.kind == PlotKind::Heat;
    let measured = data.colour.as_ref().filter(|_| heat).unwrap_or(&data.y);
    let head = |axis: &PlotAxis| {
        if axis.unit.is_empty() {
            axis.name.clone()
        } else {
            format!("{} ({})", axis.name, axis.unit)
        }
    };
    table.header.push(head(&data.x).into());
    if heat {
        table.header.push(head(&data.y).into());
    } else if let Some(colour) = &data.colour {
        table.header.push(head(colour).into());
    }
    table.header.push(head(measured).into());
    let ranges = !marks.range.is_empty();
    if ranges {
        for end in ["low", "high"] {
            table.header.push(format!("{} {end} 95", measured.name).into());
        }
    }
    match data.kind {
        PlotKind::Runs => table.header.push("run".into()),
        PlotKind::Means | PlotKind::Heat => table.header.push("runs".into()),
    }
    let place = |axis: &PlotAxis, value: f64| {
        if axis.scale == PlotScale::Even { axis.text(value) } else { number(Some(value), 6) }
    };
    for at in 0..marks.x.len() {
        let mut row = vec![place(&data.x, marks.x[at])];
        if heat {
            row.push(place(&data.y, marks.y[at]));
            row.push(number(marks.value.get(at).copied(), 6));
        } else {
            if data.colour.is_some() {
                let group = data.groups.get(group_of(data, at));
                row.push(group.map(|group| group.label.clone()).unwrap_or_default());
            }
            row.push(place(&data.y, marks.y[at]));
        }
        if ranges {
            let range = marks.range.get(at).copied().flatten();
            row.push(number(range.map(|range| range.0), 6));
            row.push(number(range.map(|range| range.1), 6));
        }
        row.push(match data.kind {
            PlotKind::Runs => run_of(data, at).unwrap_or_default(),
            _ => marks.count.get(at).map(ToString::to_string).unwrap_or_default(),
        });
        table.rows.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{PlotGroup, PlotMarks},
        chart::{Size, Style},
        id::RunId,
    };

    fn axis(name: &str, title: &str, unit: &str) -> PlotAxis {
        PlotAxis {
            name: name.into(),
            title: title.into(),
            unit: unit.into(),
            scale: PlotScale::Linear,
            slots: vec![],
        }
    }

    fn scatter(points: &[(f64, f64)]) -> PlotData {
        let run = |at| RunId::from_parts(at, [1; 10]);
        PlotData {
            kind: PlotKind::Runs,
            x: axis("ca", "Clean accuracy", "%"),
            y: axis("asr", "Attack success rate", "%"),
            colour: None,
            runs: points.len() as u64 + 1,
            drawn: points.len() as u64,
            groups: vec![],
            over: vec![],
            marks: PlotMarks {
                x: points.iter().map(|point| point.0).collect(),
                y: points.iter().map(|point| point.1).collect(),
                run: (0..points.len() as u64).map(run).collect(),
                ..PlotMarks::default()
            },
        }
    }

    #[test]
    fn the_front_by_hand() {
        // (80, 90) and (95, 20) are on it, and (90, 60); (70, 90) and (85, 60) are exceeded.
        let data = scatter(&[(70.0, 90.0), (80.0, 90.0), (85.0, 60.0), (90.0, 60.0), (95.0, 20.0)]);
        let (line, _) = front(&data);
        let places: Vec<_> = line.points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(places, [(80.0, 90.0), (90.0, 60.0), (95.0, 20.0)]);
        let figure = plot(&data, PlotLook { front: true, ..PlotLook::default() });
        assert!(figure.note.contains("1 run without a value has no mark"), "{}", figure.note);
        assert_eq!(figure.csv().lines().count(), 6, "the front is no further row");
    }

    #[test]
    fn many_marks_are_left_to_the_page() {
        let points: Vec<_> =
            (0..1500).map(|at| (f64::from(at % 100), f64::from(at % 77))).collect();
        let figure = plot(&scatter(&points), PlotLook { whole: true, ..PlotLook::default() });
        let size = Size { width: 640, height: 400 };
        let drawn = figure.draw(size, Style::Page);
        assert_eq!((drawn.marks.len(), drawn.dots[0].places.len()), (1500, 1500));
        assert!(drawn.svg.len() < 10_000, "{} bytes", drawn.svg.len());
        let mark = &drawn.marks[0];
        assert_eq!(drawn.dots[0].places[0], (mark.x, mark.y));
        let area = drawn.area.expect("axes");
        assert!((area.x.value(mark.x).expect("a number")).abs() < 0.1);
        assert!((area.y.value(mark.y).expect("a number")).abs() < 0.1);
        let file = figure.draw(size, Style::File(super::super::Theme::Light));
        assert!(file.dots.is_empty() && file.svg.matches("<circle").count() >= 1500);
    }

    #[test]
    fn groups_beyond_the_eighth_are_grey() {
        let mut data = scatter(&[(1.0, 1.0); 10]);
        data.colour = Some(axis("study", "Study", ""));
        data.groups = (0..10).map(|at| PlotGroup { label: format!("g{at}"), runs: 1 }).collect();
        data.marks.group = (0..10).collect();
        let figure = plot(&data, PlotLook::default());
        assert_eq!(figure.legend.len(), 9);
        assert_eq!(figure.legend[8].label, "2 others");
        let grey = figure.series.iter().filter(|series| series.look.role == Role::Muted);
        assert_eq!(grey.count(), 2);
    }

    #[test]
    fn a_grid_by_hand() {
        let slots = |axis: PlotAxis, slots: &[&str]| PlotAxis {
            scale: PlotScale::Even,
            slots: slots.iter().map(ToString::to_string).collect(),
            ..axis
        };
        let data = PlotData {
            kind: PlotKind::Heat,
            x: slots(axis("probe.poisons", "Poisons", ""), &["0", "10"]),
            y: slots(axis("mask_ratio", "Mask ratio", ""), &["0.5", "0.75"]),
            colour: Some(axis("asr", "Attack success rate", "%")),
            runs: 6,
            drawn: 6,
            groups: vec![],
            over: vec!["seed".into()],
            marks: PlotMarks {
                x: vec![0.0, 1.0, 1.0],
                y: vec![0.0, 0.0, 1.0],
                value: vec![0.0, 50.0, 100.0],
                range: vec![None, Some((40.0, 60.0)), None],
                count: vec![2, 3, 1],
                ..PlotMarks::default()
            },
        };
        let figure = plot(&data, PlotLook::default());
        assert_eq!(figure.title, "Attack success rate by poisons and mask ratio");
        let strengths: Vec<_> =
            figure.series[0].points.iter().map(|point| point.strength).collect();
        assert_eq!(strengths, [4, 34, 64]);
        let labels: Vec<_> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(labels, ["0.0 %", "25.0 %", "50.0 %", "75.0 %", "100.0 %"]);
        let csv = figure.csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines[0], "probe.poisons,mask_ratio,asr (%),asr low 95,asr high 95,runs");
        assert_eq!(lines[2], "10,0.5,50,40,60,3");
        let drawn = figure.draw(Size { width: 640, height: 400 }, Style::Page);
        assert!(drawn.svg.contains(">50.0</text>"), "cells show their value");
        let told = &drawn.marks[1].text;
        assert!(told.contains("Attack success rate: 50.0 % (40.0–60.0)\n3 runs"), "{told}");
    }
}
