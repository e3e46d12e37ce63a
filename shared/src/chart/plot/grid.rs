//! The cells of a grid, in colours and as a table of LaTeX.

use super::{
    PlotLook, panel_of,
    words::{note_of_means, panel_name, text, title},
};
use crate::{
    api::{Pivot, PivotCell, PlotData},
    chart::{
        figure::{Entry, Look, Point, Series, Shape, Tag},
        role::Role,
    },
    latex::escape,
};

/// Opacity in percent of a cell with the lowest and with the highest value: text stays readable on both.
const CELLS: (f64, f64) = (4.0, 64.0);

/// The cells of a grid: CA in its colour, every other metric in that of ASR, stronger the higher the value.
pub(super) fn cells(data: &PlotData, look: &PlotLook) -> (Vec<Series>, Vec<Entry>) {
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
        tag: Some(Tag { text: metric.bare(value), left: false }),
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

/// The grid as a `tabular` of LaTeX in the style of the package `booktabs`, one for each panel: `$93.4$ (91.2--95.6)`.
pub(super) fn latex(data: &PlotData) -> String {
    let Some(metric) = &data.colour else { return String::new() };
    let mut lines = vec![
        format!("% {}", escape(&title(data))),
        format!("% {}", escape(&note_of_means(data))),
        "% Needs \\usepackage{booktabs}.".to_owned(),
    ];
    for (at, pivot) in Pivot::all(data).into_iter().enumerate() {
        lines.extend(
            data.panels.get(at).map(|panel| format!("% {}", escape(&panel_name(data, panel)))),
        );
        let heads: Vec<String> = pivot.columns.iter().map(|name| escape(name)).collect();
        lines.push(format!("\\begin{{tabular}}{{l{}}}", "c".repeat(heads.len())));
        lines.push("\\toprule".into());
        let (across, down) = (escape(&data.x.label()), escape(&data.y.label()));
        lines.push(format!(" & \\multicolumn{{{}}}{{c}}{{{across}}} \\\\", heads.len()));
        lines.push(format!("{down} & {} \\\\", heads.join(" & ")));
        lines.push("\\midrule".into());
        for (name, cells) in pivot.rows.iter().zip(&pivot.cells) {
            let cell = |cell: &Option<PivotCell>| {
                let Some(cell) = cell else { return "--".to_owned() };
                let range = cell
                    .range
                    .map(|(low, high)| format!(" ({}--{})", metric.bare(low), metric.bare(high)));
                format!("${}${}", metric.bare(cell.mean), range.unwrap_or_default())
            };
            let cells: Vec<String> = cells.iter().map(cell).collect();
            lines.push(format!("{} & {} \\\\", escape(name), cells.join(" & ")));
        }
        lines.extend(["\\bottomrule", "\\end{tabular}", ""].map(str::to_owned));
    }
    lines.join("\n")
}
