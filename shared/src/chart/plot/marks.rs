//! Marks by group, and the Pareto front.

use super::{
    Drawn, OTHERS, PlotLook, WHISKERS_UP_TO, entries, group_of, panel_of, run_of,
    words::{ranged, text},
};
use crate::{
    api::{PlotData, PlotKind, PlotScale},
    chart::{
        figure::{Entry, Look, Point, Series, Shape},
        marker::Marker,
        role::{Role, SERIES},
    },
    param::lower,
};

/// Series and legend of marks by group.
pub(super) fn groups(
    Drawn { data, marks: drawn }: Drawn<'_>,
    hides: &PlotLook,
) -> (Vec<Series>, Vec<Entry>) {
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
    let mut series = beside(data, &members);
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
    let mut legend: Vec<Entry> = entries(data).into_iter().enumerate().map(entry).collect();
    legend.extend(
        data.beside.as_ref().map(|second| Entry::new(dashed(Role::Muted), lower(&second.title))),
    );
    (series, legend)
}

/// How a line of the second metric is drawn.
fn dashed(role: Role) -> Look {
    Look { role, opacity: 100, shape: Shape::Line { dash: true, marker: None } }
}

/// The lines of the second metric, dashed in the colours of the groups; `members` are the marks by group and panel.
fn beside(data: &PlotData, members: &[Vec<Vec<usize>>]) -> Vec<Series> {
    let Some(second) = &data.beside else { return Vec::new() };
    let marks = &data.marks;
    let point = |&at: &usize| {
        let value = marks.beside.get(at).copied().flatten()?;
        let text = format!("{}: {}", second.title, second.text(value));
        Some(Point { x: marks.x[at], y: value, text, ..Point::default() })
    };
    let mut series = Vec::new();
    for (group, panels) in members.iter().enumerate() {
        let name = data.groups.get(group).map(|group| group.label.clone()).unwrap_or_default();
        for (panel, places) in panels.iter().enumerate() {
            let mut points: Vec<Point> = places.iter().filter_map(point).collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            let one = Series { panel, ..Series::new(dashed(Role::series(group)), points) };
            series.push(one.named(name.clone()));
        }
    }
    series
}

/// Moves runs in one slot apart, each by the same amount in every drawing: the fractional parts of multiples of the golden
/// ratio are spread evenly.
fn jitter(data: &PlotData, at: usize) -> f64 {
    if data.kind != PlotKind::Runs || data.x.scale != PlotScale::Even {
        return 0.0;
    }
    ((at as f64 * 0.618_033_988_749_895).fract() - 0.5) * 0.5
}

/// The front of each panel, and their entry in the legend.
pub(super) fn fronts(Drawn { data, marks }: Drawn<'_>) -> (Vec<Series>, Entry) {
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
pub(super) fn front(data: &PlotData, mut order: Vec<usize>) -> Vec<Point> {
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
