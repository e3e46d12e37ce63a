//! What is said of a plot: its title, its note, and what a mark tells.

use super::{Drawn, PlotLook, WHISKERS_UP_TO, entries, group_of, panel_of};
use crate::{
    api::{PlotAxis, PlotData, PlotGroup, PlotKind, PlotScale},
    param::lower,
};

/// `Seed: 2`.
pub(super) fn panel_name(data: &PlotData, panel: &PlotGroup) -> String {
    let title = data.facet.as_ref().map(|facet| format!("{}: ", facet.title));
    format!("{}{}", title.unwrap_or_default(), panel.label)
}

pub(super) fn title(data: &PlotData) -> String {
    match (data.kind, &data.colour) {
        (PlotKind::Heat, Some(metric)) => {
            format!("{} by {} and {}", metric.title, lower(&data.x.title), lower(&data.y.title))
        }
        _ => format!("{} by {}", data.y.title, lower(&data.x.title)),
    }
}

pub(super) fn summary(drawn: Drawn<'_>) -> String {
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

pub(super) fn note(Drawn { data, marks: drawn }: Drawn<'_>, look: &PlotLook) -> String {
    let mut parts = Vec::new();
    let whiskers = drawn.len() <= WHISKERS_UP_TO;
    match data.kind {
        PlotKind::Runs => {
            parts.push("One mark a run.".to_owned());
            let ranges = data.marks.range.iter().chain(&data.marks.x_range);
            if whiskers && ranges.flatten().next().is_some() {
                parts.push("Whiskers: 95 % Wilson intervals.".into());
            }
            if data.x.scale == PlotScale::Even {
                parts.push("Marks with the same value are spread sideways.".into());
            }
        }
        PlotKind::Means | PlotKind::Heat => {
            parts.push(means_over(data));
            if data.kind == PlotKind::Means && has_ranges(data) {
                parts.push("Whiskers: 95 % intervals of the mean (Student's t).".into());
            }
        }
    }
    if let Some(colour) = data.colour.as_ref().filter(|_| data.kind != PlotKind::Heat) {
        parts.push(format!("Colours: {}.", lower(&colour.title)));
    }
    if let Some(second) = &data.beside {
        parts.push(format!("Dashed: {}.", lower(&second.title)));
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

fn means_over(data: &PlotData) -> String {
    let over = if data.over.is_empty() { "runs".to_owned() } else { listed(&data.over, 4) };
    let mixed: Vec<String> = data.over.iter().filter(|name| *name != "Seed").cloned().collect();
    let mixed = match mixed.len() {
        0 => String::new(),
        _ => format!(
            " They mix runs of different {}: filter the runs to keep these apart.",
            listed(&mixed, 4)
        ),
    };
    format!("Means over {over}.{mixed}")
}

fn has_ranges(data: &PlotData) -> bool {
    data.marks.range.iter().flatten().next().is_some()
}

/// What a table of means says of its numbers.
pub fn note_of_means(data: &PlotData) -> String {
    let ranges = " In brackets: the 95 % interval of the mean (Student's t).";
    format!("{}{}", means_over(data), if has_ranges(data) { ranges } else { "" })
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

/// What a mark tells on hover.
pub(super) fn text(data: &PlotData, at: usize) -> String {
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
pub(super) fn ranged(data: &PlotData, axis: &PlotAxis, value: f64, at: usize) -> String {
    let range = data.marks.range.get(at).copied().flatten();
    let range = range.map(|(low, high)| format!(" ({}–{})", axis.bare(low), axis.bare(high)));
    format!("{}{}", axis.text(value), range.unwrap_or_default())
}
