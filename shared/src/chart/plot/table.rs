//! The numbers of a plot, for CSV.

use super::{Drawn, grid, group_of, panel_of, run_of};
use crate::{
    api::{PlotAxis, PlotKind, PlotScale},
    chart::table::{Table, number},
};

pub(super) fn table(Drawn { data, marks: drawn }: Drawn<'_>) -> Table {
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
    table.header.extend(data.beside.as_ref().map(|second| head(second).into()));
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
        if data.beside.is_some() {
            row.push(number(marks.beside.get(at).copied().flatten(), 6));
        }
        row.push(match data.kind {
            PlotKind::Runs => run_of(data, at).unwrap_or_default(),
            _ => marks.count.get(at).map(ToString::to_string).unwrap_or_default(),
        });
        table.rows.push(row);
    }
    table.latex = heat.then(|| grid::latex(data));
    table
}
