//! Any setting or metric against another: marks for runs or for their means, or a grid of means.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape, Tag},
    marker::Marker,
    role::{Role, SERIES},
    table::{Table, number},
};
use crate::{
    api::{PlotAxis, PlotData, PlotGroup, PlotKind, PlotScale},
    param::lower,
};

/// Opacity in percent of a cell with the lowest and with the highest value: text stays readable on both.
const CELLS: (f64, f64) = (4.0, 64.0);
/// Above this number of marks, their intervals would hide them.
const WHISKERS_UP_TO: usize = 250;

/// What [`PlotLook::hidden`] calls the groups that have no colour of their own.
pub const OTHERS: &str = "*";

/// What of a plot is a matter of drawing only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlotLook {
    /// Axes in percent go from 0 to 100 instead of fitting the data.
    pub whole: bool,
    /// Marks the runs that no other run exceeds in both x and y.
    pub front: bool,
    /// The groups that are not drawn, by their labels; [`OTHERS`] for all that have no colour of their own. Axes and front are
    /// of what is drawn.
    pub hidden: Vec<String>,
}

impl PlotLook {
    /// Whether the group `at` of these is hidden.
    fn hides(&self, data: &PlotData, at: usize) -> bool {
        let named = |name: &str| self.hidden.iter().any(|hidden| hidden == name);
        let own = at < usize::from(SERIES);
        data.groups.get(at).is_some_and(|group| named(if own { &group.label } else { OTHERS }))
    }
}

/// A plot's numbers, and which of its marks are drawn.
#[derive(Clone, Copy)]
struct Drawn<'d> {
    data: &'d PlotData,
    marks: &'d [usize],
}

/// The plot of these numbers. The first eight groups have a colour and a marker each, the others are grey.
pub fn plot(data: &PlotData, look: &PlotLook) -> Figure {
    let visible =
        |at: &usize| data.kind == PlotKind::Heat || !look.hides(data, group_of(data, *at));
    let marks: Vec<usize> = (0..data.marks.x.len()).filter(visible).collect();
    let drawn = Drawn { data, marks: &marks };
    let (mut series, mut legend) = match data.kind {
        PlotKind::Heat => cells(data, look),
        PlotKind::Runs | PlotKind::Means => groups(drawn, look),
    };
    if look.front && data.kind == PlotKind::Runs {
        let (lines, entry) = fronts(drawn);
        series.splice(0..0, lines);
        legend.push(entry);
    }
    Figure {
        kind: FigureKind::Plot,
        title: title(data),
        summary: summary(drawn),
        empty: "No run has a value in both columns: choose other columns, or another filter.",
        x: Axis { label: data.x.label(), scale: scale(&data.x, &places(drawn, Side::X), look) },
        y: Axis { label: data.y.label(), scale: scale(&data.y, &places(drawn, Side::Y), look) },
        panels: data.panels.iter().map(|panel| panel_name(data, panel)).collect(),
        series,
        legend,
        note: note(drawn, look),
        table: table(drawn),
    }
}

/// `Seed: 2`.
fn panel_name(data: &PlotData, panel: &PlotGroup) -> String {
    let title = data.facet.as_ref().map(|facet| format!("{}: ", facet.title));
    format!("{}{}", title.unwrap_or_default(), panel.label)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    X,
    Y,
}

/// All places on an axis, with the ends of their intervals.
fn places(Drawn { data, marks: drawn }: Drawn<'_>, side: Side) -> Vec<f64> {
    let marks = &data.marks;
    let (at, ranges) = match side {
        Side::X => (&marks.x, &marks.x_range),
        Side::Y => (&marks.y, &marks.range),
    };
    let whiskers = drawn.len() <= WHISKERS_UP_TO && data.kind != PlotKind::Heat;
    let range = |at: &usize| ranges.get(*at).copied().flatten().filter(|_| whiskers);
    let ends = drawn.iter().filter_map(range).flat_map(|(low, high)| [low, high]);
    drawn.iter().map(|&mark| at[mark]).chain(ends).filter(|place| place.is_finite()).collect()
}

fn scale(axis: &PlotAxis, places: &[f64], look: &PlotLook) -> Scale {
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

fn summary(drawn: Drawn<'_>) -> String {
    let data = drawn.data;
    let what = match data.kind {
        PlotKind::Runs => "one mark a run",
        PlotKind::Means => "one mark a mean over runs",
        PlotKind::Heat => "one cell a mean over runs",
    };
    let panels = match &data.facet {
        Some(facet) => format!(", one panel for each value of {}", lower(&facet.title)),
        None => String::new(),
    };
    let runs = |&at: &usize| data.marks.count.get(at).map_or(1, |&runs| u64::from(runs));
    let runs: u64 = drawn.marks.iter().map(runs).sum();
    format!("{} of {runs} runs, {what}{panels}.", title(data))
}

fn note(Drawn { data, marks: drawn }: Drawn<'_>, look: &PlotLook) -> String {
    let mut parts = Vec::new();
    let whiskers = drawn.len() <= WHISKERS_UP_TO;
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
    let hidden = entries(data).into_iter().enumerate().filter(|(at, _)| look.hides(data, *at));
    let hidden: Vec<String> = hidden.map(|(_, label)| label).collect();
    if !hidden.is_empty() && data.kind != PlotKind::Heat {
        parts.push(format!("Hidden: {}.", hidden.join(", ")));
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

/// The labels of the legend: of each group with a colour of its own, then of all others.
fn entries(data: &PlotData) -> Vec<String> {
    if data.colour.is_none() {
        return Vec::new();
    }
    let own = data.groups.iter().take(SERIES.into()).map(|group| group.label.clone());
    let others = data.groups.len().saturating_sub(SERIES.into());
    own.chain((others > 0).then(|| format!("{others} others"))).collect()
}

fn panel_of(data: &PlotData, at: usize) -> usize {
    data.marks.panel.get(at).map_or(0, |&panel| panel as usize)
}

/// Series and legend of marks by group.
fn groups(Drawn { data, marks: drawn }: Drawn<'_>, hides: &PlotLook) -> (Vec<Series>, Vec<Entry>) {
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
    let panels = data.panels.len().max(1);
    let mut members = vec![vec![Vec::new(); panels]; data.groups.len().max(1)];
    for &at in drawn {
        let group = members.get_mut(group_of(data, at));
        if let Some(places) = group.and_then(|group| group.get_mut(panel_of(data, at))) {
            places.push(at);
        }
    }
    let whiskers = drawn.len() <= WHISKERS_UP_TO;
    let point = |at: usize| Point {
        x: marks.x[at] + jitter(data, at),
        y: marks.y[at],
        x_range: marks.x_range.get(at).copied().flatten().filter(|_| whiskers),
        y_range: marks.range.get(at).copied().flatten().filter(|_| whiskers),
        text: text(data, at),
        value: ranged(data, &data.y, marks.y[at], at),
        id: run_of(data, at),
        ..Point::default()
    };
    let mut series = Vec::new();
    // The grey groups lie below the others.
    for (group, panels) in members.into_iter().enumerate().rev() {
        let name = data.groups.get(group).map(|group| group.label.clone()).unwrap_or_default();
        for (panel, mut places) in panels.into_iter().enumerate() {
            if line {
                places.sort_by(|&a, &b| marks.x[a].total_cmp(&marks.x[b]));
            }
            let points = places.into_iter().map(point).collect();
            let one = Series { panel, ..Series::new(look(group), points) };
            series.push(one.named(name.clone()));
        }
    }
    let entry = |(at, label): (usize, String)| Entry {
        group: Some(if at < usize::from(SERIES) { label.clone() } else { OTHERS.to_owned() }),
        off: hides.hides(data, at),
        ..Entry::new(look(at), label)
    };
    (series, entries(data).into_iter().enumerate().map(entry).collect())
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
    if let (Some(facet), Some(panel)) = (&data.facet, data.panels.get(panel_of(data, at))) {
        lines.push(format!("{}: {}", facet.title, panel.label));
    }
    lines.push(format!("{}: {}", data.x.title, data.x.text(marks.x[at])));
    let with_range =
        |axis: &PlotAxis, value: f64| format!("{}: {}", axis.title, ranged(data, axis, value, at));
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

/// A value of a mark with its interval.
fn ranged(data: &PlotData, axis: &PlotAxis, value: f64, at: usize) -> String {
    let range = data.marks.range.get(at).copied().flatten();
    let range = range.map(|(low, high)| format!(" ({}–{})", bare(axis, low), bare(axis, high)));
    format!("{}{}", axis.text(value), range.unwrap_or_default())
}

/// A number without its unit.
fn bare(axis: &PlotAxis, value: f64) -> String {
    let text = axis.text(value);
    let unit = format!(" {}", axis.unit);
    text.strip_suffix(&unit).unwrap_or(&text).to_owned()
}

/// The cells of a grid: CA in its colour, every other metric in that of ASR, stronger the higher the value.
fn cells(data: &PlotData, look: &PlotLook) -> (Vec<Series>, Vec<Entry>) {
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
    let point = |at: usize, value: f64| Point {
        x: data.marks.x[at],
        y: data.marks.y[at],
        text: text(data, at),
        tag: Some(Tag { text: bare(metric, value), left: false }),
        strength: strength(value),
        ..Point::default()
    };
    let series = (0..data.panels.len().max(1)).map(|panel| {
        let here = values.iter().enumerate().filter(|(at, _)| panel_of(data, *at) == panel);
        let points = here.map(|(at, &value)| point(at, value)).collect();
        Series { panel, ..Series::new(cell(100), points) }
    });
    let series = series.collect();
    let steps = if low < high { 5 } else { usize::from(low <= high) };
    let legend = (0..steps).map(|step| {
        let value = low + (high - low) * step as f64 / 4.0;
        Entry::new(cell(strength(value)), metric.text(value))
    });
    (series, legend.collect())
}

/// The front of each panel, and their entry in the legend.
fn fronts(Drawn { data, marks }: Drawn<'_>) -> (Vec<Series>, Entry) {
    let shape = Shape::Line { dash: true, marker: None };
    let look = Look { role: Role::Ink, opacity: 70, shape };
    let lines = (0..data.panels.len().max(1)).map(|panel| {
        let here = marks.iter().copied().filter(|&at| panel_of(data, at) == panel);
        Series { panel, ..Series::new(look, front(data, here.collect())) }
    });
    let among = if data.panels.is_empty() { "" } else { " of its panel" };
    (lines.collect(), Entry::new(look, format!("Pareto front: no run{among} is higher in both")))
}

/// The runs among `order` that no other of them exceeds in both x and y (Pareto front of the attack: a high ASR at a high CA).
fn front(data: &PlotData, mut order: Vec<usize>) -> Vec<Point> {
    let (x, y) = (&data.marks.x, &data.marks.y);
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
    order.into_iter().map(point).collect()
}

fn table(Drawn { data, marks: drawn }: Drawn<'_>) -> Table {
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
    table.header.extend(data.facet.as_ref().map(|facet| head(facet).into()));
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
    for &at in drawn {
        let panel = data.facet.as_ref().and_then(|_| data.panels.get(panel_of(data, at)));
        let mut row: Vec<String> = panel.map(|panel| panel.label.clone()).into_iter().collect();
        row.push(place(&data.x, marks.x[at]));
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
            facet: None,
            panels: vec![],
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
        let line = front(&data, (0..5).collect());
        let places: Vec<_> = line.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(places, [(80.0, 90.0), (90.0, 60.0), (95.0, 20.0)]);
        let figure = plot(&data, &PlotLook { front: true, ..PlotLook::default() });
        assert!(figure.note.contains("1 run without a value has no mark"), "{}", figure.note);
        assert_eq!(figure.csv().lines().count(), 6, "the front is no further row");
    }

    #[test]
    fn many_marks_are_left_to_the_page() {
        let points: Vec<_> =
            (0..1500).map(|at| (f64::from(at % 100), f64::from(at % 77))).collect();
        let figure = plot(&scatter(&points), &PlotLook { whole: true, ..PlotLook::default() });
        let size = Size { width: 640, height: 400 };
        let drawn = figure.draw(size, Style::Page);
        assert_eq!((drawn.marks.len(), drawn.dots[0].places.len()), (1500, 1500));
        assert!(drawn.svg.len() < 10_000, "{} bytes", drawn.svg.len());
        let mark = &drawn.marks[0];
        assert_eq!(drawn.dots[0].places[0], (mark.x, mark.y));
        let area = drawn.areas[0];
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
        let figure = plot(&data, &PlotLook::default());
        assert_eq!(figure.legend.len(), 9);
        assert_eq!(figure.legend[8].label, "2 others");
        let grey = figure.series.iter().filter(|series| series.look.role == Role::Muted);
        assert_eq!(grey.count(), 2);
    }

    fn of_groups(labels: &[&str], group: &[u32], points: &[(f64, f64)]) -> PlotData {
        let mut data = scatter(points);
        data.colour = Some(axis("study", "Study", ""));
        data.groups =
            labels.iter().map(|label| PlotGroup { label: (*label).into(), runs: 1 }).collect();
        data.marks.group = group.to_vec();
        data
    }

    fn hiding(hidden: &[&str]) -> PlotLook {
        let hidden = hidden.iter().map(ToString::to_string).collect();
        PlotLook { front: true, hidden, ..PlotLook::default() }
    }

    #[test]
    fn what_the_legend_hides_is_left_out() {
        let data = of_groups(&["a", "b"], &[0, 1, 1], &[(80.0, 10.0), (90.0, 50.0), (85.0, 40.0)]);
        let size = Size { width: 640, height: 400 };
        let all = plot(&data, &hiding(&[]));
        let page = all.draw(size, Style::Page);
        let switches: Vec<_> = page.switches.iter().map(|one| (&*one.group, one.off)).collect();
        assert_eq!(switches, [("a", false), ("b", false)], "the front is no switch");
        assert!(page.switches[1].x >= page.switches[0].x + page.switches[0].width);

        let figure = plot(&data, &hiding(&["b"]));
        let drawn = figure.draw(size, Style::Page);
        // The mark of "a", and the front, which now is that mark.
        assert_eq!(drawn.marks.len(), 2);
        assert_eq!(drawn.switches.iter().filter(|one| one.off).count(), 1);
        let moved = (drawn.switches[1].x - page.switches[1].x).abs();
        assert!(moved < 1e-6, "the legend stays in place");
        assert!(figure.note.ends_with("Hidden: b."), "{}", figure.note);
        assert!(figure.summary.contains("of 1 runs"), "{}", figure.summary);
        assert_eq!(figure.csv().lines().count(), 2);
        let file = figure.draw(size, Style::File(super::super::Theme::Light)).svg;
        assert!(!file.contains(">b</text>") && file.contains(">a</text>"), "off only in a page");

        let none = plot(&data, &hiding(&["a", "b"]));
        assert!(!none.is_empty(), "the legend must stay to show them again");
        assert_eq!(none.draw(size, Style::Page).switches.len(), 2);
    }

    #[test]
    fn the_grey_groups_are_hidden_together() {
        let labels: Vec<String> = (0..10).map(|at| format!("g{at}")).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let data = of_groups(&labels, &(0..10).collect::<Vec<_>>(), &[(1.0, 1.0); 10]);
        let marks = |hidden: &[&str]| {
            let look = PlotLook { front: false, ..hiding(hidden) };
            plot(&data, &look).csv().lines().count() - 1
        };
        assert_eq!((marks(&[OTHERS]), marks(&["g9"]), marks(&["g0"])), (8, 10, 9));
    }

    #[test]
    fn panels_share_their_axes() {
        let points = [(70.0, 10.0), (95.0, 90.0), (80.0, 20.0), (90.0, 60.0), (75.0, 5.0)];
        let mut data = scatter(&points);
        data.facet = Some(axis("seed", "Seed", ""));
        data.panels =
            ["1", "2", "3"].map(|label| PlotGroup { label: label.into(), runs: 1 }).into();
        data.marks.panel = vec![0, 0, 1, 1, 2];
        let figure = plot(&data, &PlotLook { front: true, ..PlotLook::default() });
        assert_eq!(figure.panels, ["Seed: 1", "Seed: 2", "Seed: 3"]);
        assert!(figure.csv().starts_with("seed,ca (%),asr (%)"), "{}", figure.csv());
        let drawn = figure.draw(Size { width: 600, height: 400 }, Style::Page);
        // Two columns have room, so the third panel is below the first.
        let [first, second, third] = drawn.areas[..] else {
            panic!("{} panels", drawn.areas.len())
        };
        assert_eq!((first.y.from, first.y.to), (second.y.from, second.y.to));
        assert_eq!((first.x.from, first.x.to), (third.x.from, third.x.to));
        assert!(second.x.from > first.x.to && third.y.to > first.y.from);
        for area in [second, third] {
            assert!((area.x.to - area.x.from - (first.x.to - first.x.from)).abs() < 0.01);
        }
        // The same value is at the same share of each panel.
        let share = |at: usize| {
            let mark = drawn
                .marks
                .iter()
                .find(|mark| mark.text.contains(&format!("rate: {:.1}", points[at].1)));
            let mark = mark.expect("a mark");
            let area = drawn.areas[mark.panel];
            (mark.panel, area.x.value(mark.x).expect("a number"))
        };
        for (at, &(x, _)) in points.iter().enumerate() {
            let (panel, value) = share(at);
            assert_eq!(panel, data.marks.panel[at] as usize);
            assert!((value - x).abs() < 0.2, "{value} of {x}");
        }
        assert_eq!(drawn.panel((first.x.from, first.y.from)), Some(0));
        assert_eq!(drawn.panel((second.x.to + 3.0, second.y.to)), Some(1));
        assert_eq!(drawn.panel((third.x.from, third.y.from + 9.0)), Some(2));
        // On a narrow page they are below one another, each at least 140 px high.
        let narrow = figure.draw(Size { width: 340, height: 400 }, Style::Page);
        assert!(narrow.areas.windows(2).all(|pair| pair[1].y.to > pair[0].y.from));
        assert!(narrow.height > 3 * 140, "{}", narrow.height);
    }

    #[test]
    fn lines_have_a_name_and_a_value_each() {
        let mut data = of_groups(&["a", "b"], &[0, 1], &[(80.0, 10.0), (80.0, 50.0)]);
        data.kind = PlotKind::Means;
        data.marks.run.clear();
        data.marks.count = vec![3, 3];
        data.marks.range = vec![Some((5.0, 15.0)), None];
        let drawn =
            plot(&data, &PlotLook::default()).draw(Size { width: 640, height: 400 }, Style::Page);
        let told = drawn.marks.iter().map(|mark| {
            let named = drawn.lines[mark.series].as_ref().expect("a name");
            (named.name.as_str(), mark.value.as_str())
        });
        // The last group is drawn first.
        assert_eq!(told.collect::<Vec<_>>(), [("b", "50.0 %"), ("a", "10.0 % (5.0–15.0)")]);
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
            facet: None,
            panels: vec![],
            marks: PlotMarks {
                x: vec![0.0, 1.0, 1.0],
                y: vec![0.0, 0.0, 1.0],
                value: vec![0.0, 50.0, 100.0],
                range: vec![None, Some((40.0, 60.0)), None],
                count: vec![2, 3, 1],
                ..PlotMarks::default()
            },
        };
        let figure = plot(&data, &PlotLook::default());
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
