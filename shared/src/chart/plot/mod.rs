//! Any setting or metric against another: marks for runs or for their means, or a grid of means.
//!
//! | file | holds |
//! |---|---|
//! | `marks` | marks by group, and the Pareto front |
//! | `trend` | the least-squares line |
//! | `grid` | the cells of a grid, and the same cells as a table of LaTeX |
//! | `words` | title, summary and note, and what a mark tells |
//! | `table` | the numbers as CSV |

mod grid;
mod marks;
mod table;
#[cfg(test)]
mod tests;
mod trend;
mod words;

pub use words::note_of_means;

use super::{
    figure::{Axis, Figure, FigureKind, Scale},
    role::SERIES,
};
use crate::api::{PlotAxis, PlotData, PlotKind, PlotScale};

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
    /// Draws the least-squares line through the runs of each panel, where both axes are in proportion.
    pub trend: bool,
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
        PlotKind::Heat => grid::cells(data, look),
        PlotKind::Runs | PlotKind::Means => marks::groups(drawn, look),
    };
    if look.front && data.kind == PlotKind::Runs {
        let (lines, entry) = marks::fronts(drawn);
        series.splice(0..0, lines);
        legend.push(entry);
    }
    if look.trend && data.kind == PlotKind::Runs {
        let (lines, entries) = trend::lines(drawn);
        series.splice(0..0, lines);
        legend.extend(entries);
    }
    Figure {
        kind: FigureKind::Plot,
        title: words::title(data),
        summary: words::summary(drawn),
        empty: "No run has a value in both columns: choose other columns, or another filter.",
        x: Axis { label: data.x.label(), scale: scale(&data.x, &places(drawn, Side::X), look) },
        y: Axis { label: data.y.label(), scale: scale(&data.y, &places(drawn, Side::Y), look) },
        panels: data.panels.iter().map(|panel| words::panel_name(data, panel)).collect(),
        series,
        legend,
        note: words::note(drawn, look),
        table: table::table(drawn),
    }
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
    let beside = |at: &usize| marks.beside.get(*at).copied().flatten();
    let ends = ends.chain(drawn.iter().filter(|_| side == Side::Y).filter_map(beside));
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
