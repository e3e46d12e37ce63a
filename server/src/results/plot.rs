//! The numbers of a plot: selected runs as marks, or their means.

use std::collections::HashMap;

use shared::{
    FieldError,
    api::{PlotAxis, PlotData, PlotGroup, PlotKind, PlotMarks, PlotScale},
    metric::Spread,
};

use super::{
    column::{Column, View},
    describe::Naming,
    group::{Group, GroupError, Groups},
    selection::Selection,
    value::Cell,
};

/// Most slots of an axis that has one for each value.
const SLOTS: usize = 60;
/// Most panels of a plot.
pub(crate) const PANELS: usize = 16;
/// Up to this number of values, a setting gets a slot for each by default.
const EVEN_UP_TO: usize = 12;
/// Up to this number of marks, they come with their intervals.
const RANGES_UP_TO: usize = 1_000;
/// Up to this number of values, groups of numbers are in order; more of them begin with the largest group.
const ORDERED_UP_TO: usize = 8;

/// What a plot shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What a mark stands for.
    pub kind: PlotKind,
    /// From left to right.
    pub x: Column,
    /// How x is placed.
    pub x_scale: PlotScale,
    /// From bottom to top.
    pub y: Column,
    /// How y is placed.
    pub y_scale: PlotScale,
    /// A second metric of means, on y's scale.
    pub beside: Option<Column>,
    /// What gives the colour; in a grid the metric that is averaged.
    pub colour: Option<Column>,
    /// What has a panel for each value.
    pub facet: Option<Column>,
}

impl Selection<'_> {
    /// The numbers of a plot of these runs.
    ///
    /// # Errors
    /// When a column does not suit its part, `x`, `y`, `colour` or `facet`.
    pub fn plot(&self, ask: &Ask) -> Result<PlotData, FieldError> {
        if ask.beside.is_some() && ask.kind != PlotKind::Means {
            return Err(FieldError::new("beside", "only a plot of means has a second metric"));
        }
        match ask.kind {
            PlotKind::Runs => self.plot_runs(ask),
            PlotKind::Means => self.plot_means(ask),
            PlotKind::Heat => self.plot_grid(ask),
        }
    }

    fn plot_runs(&self, ask: &Ask) -> Result<PlotData, FieldError> {
        let (x_view, y_view) = (self.table().view(&ask.x), self.table().view(&ask.y));
        let placed = |field, view: &View<'_>, column, scale| {
            let cells: Vec<_> = self.places().iter().map(|&at| view.cell(at as usize)).collect();
            self.place(field, column, scale, &cells)
        };
        let x = placed("x", &x_view, &ask.x, ask.x_scale)?;
        let y = placed("y", &y_view, &ask.y, ask.y_scale)?;
        let all = self.places().iter().copied().zip(x.at.iter().copied().zip(y.at));
        let kept: Vec<(u32, (f64, f64))> =
            all.filter(|(_, (x, y))| x.is_finite() && y.is_finite()).collect();
        let rows = || kept.iter().map(|&(row, _)| row as usize);
        let coloured = match &ask.colour {
            None => Coloured::default(),
            Some(column) => {
                must_repeat("colour", column)?;
                let view = self.table().view(column);
                let cells: Vec<_> = rows().map(|row| view.cell(row)).collect();
                self.colour(column, &cells, &vec![1; cells.len()])
            }
        };
        let facet = ask.facet.as_ref().map(|column| self.table().view(column));
        let faceted = self.facets(ask, || {
            let cells = |view| rows().map(move |row| (View::cell(view, row), 1));
            facet.iter().flat_map(cells).collect()
        })?;
        let ranges = |view: &View<'_>| match view {
            View::Ratios(ratios) if kept.len() <= RANGES_UP_TO => {
                rows().map(|row| ratios[row].wilson95().map(percent)).collect()
            }
            _ => Vec::new(),
        };
        Ok(PlotData {
            kind: ask.kind,
            runs: self.len() as u64,
            drawn: kept.len() as u64,
            over: Vec::new(),
            marks: PlotMarks {
                x: kept.iter().map(|(_, (x, _))| *x).collect(),
                y: kept.iter().map(|(_, (_, y))| *y).collect(),
                x_range: ranges(&x_view),
                range: ranges(&y_view),
                group: coloured.group,
                panel: faceted.group,
                run: kept.iter().map(|&(row, _)| self.table().run(row)).collect(),
                ..PlotMarks::default()
            },
            x: x.axis,
            y: y.axis,
            beside: None,
            colour: coloured.axis,
            groups: coloured.groups,
            facet: faceted.axis,
            panels: faceted.groups,
        })
    }

    fn plot_means(&self, ask: &Ask) -> Result<PlotData, FieldError> {
        let by = [&ask.x].into_iter().chain(&ask.colour).chain(&ask.facet);
        let by: Vec<Column> = by.cloned().collect();
        let of: Vec<Column> = [&ask.y].into_iter().chain(&ask.beside).cloned().collect();
        let Groups { groups, over } = self.group(&by, &of).map_err(|error| {
            let second =
                matches!(&error, GroupError::Of(column) if Some(column) == ask.beside.as_ref());
            told(&error, &ask.parts("x", &ask.x), "colour", if second { "beside" } else { "y" })
        })?;
        let means = Mean::of(&groups);
        let x = self.place_keys("x", &ask.x, ask.x_scale, &means, 0)?;
        let numbers: Vec<_> = means.iter().map(|mean| Cell::number(mean.value)).collect();
        let y = self.place("y", &ask.y, ask.y_scale, &numbers)?;
        let kept: Vec<usize> =
            (0..means.len()).filter(|&at| x.at[at].is_finite() && y.at[at].is_finite()).collect();
        let coloured = ask.colour.as_ref().map_or_else(Coloured::default, |column| {
            let cells: Vec<_> = kept.iter().map(|&at| key(means[at].group, 1)).collect();
            let counts: Vec<_> = kept.iter().map(|&at| u64::from(means[at].runs)).collect();
            self.colour(column, &cells, &counts)
        });
        let faceted = self.facets_of_means(ask, &means, &kept, by.len() - 1)?;
        let beside = self.beside(ask, &y.axis)?;
        Ok(PlotData {
            kind: ask.kind,
            runs: self.len() as u64,
            drawn: kept.iter().map(|&at| u64::from(means[at].runs)).sum(),
            over: over.iter().map(|column| self.table().naming(column).title).collect(),
            marks: PlotMarks {
                x: kept.iter().map(|&at| x.at[at]).collect(),
                y: kept.iter().map(|&at| y.at[at]).collect(),
                range: kept.iter().map(|&at| means[at].range(&y.axis)).collect(),
                beside: kept
                    .iter()
                    .filter(|_| beside.is_some())
                    .map(|&at| means[at].beside())
                    .collect(),
                group: coloured.group,
                panel: faceted.group,
                count: kept.iter().map(|&at| means[at].runs).collect(),
                ..PlotMarks::default()
            },
            x: x.axis,
            y: y.axis,
            beside,
            colour: coloured.axis,
            groups: coloured.groups,
            facet: faceted.axis,
            panels: faceted.groups,
        })
    }

    /// The axis of the second metric, which has the unit of the first.
    fn beside(&self, ask: &Ask, y: &PlotAxis) -> Result<Option<PlotAxis>, FieldError> {
        let Some(column) = &ask.beside else { return Ok(None) };
        let axis = self.axis(column, y.scale, Vec::new());
        if axis.unit != y.unit {
            let unit = |unit: &str| {
                if unit.is_empty() { "no unit".into() } else { format!("the unit {unit}") }
            };
            let message = format!(
                "`{column}` has {}, and `{}` has {}: they share an axis",
                unit(&axis.unit),
                ask.y,
                unit(&y.unit)
            );
            return Err(FieldError::new("beside", message));
        }
        Ok(Some(axis))
    }

    fn plot_grid(&self, ask: &Ask) -> Result<PlotData, FieldError> {
        let Some(metric) = &ask.colour else {
            return Err(FieldError::new("colour", "must name the metric that the grid shows"));
        };
        let by: Vec<Column> = [&ask.x, &ask.y].into_iter().chain(&ask.facet).cloned().collect();
        let Groups { groups, over } = self
            .group(&by, std::slice::from_ref(metric))
            .map_err(|error| told(&error, &ask.parts("x", &ask.x), "y", "colour"))?;
        let means = Mean::of(&groups);
        let x = self.place_keys("x", &ask.x, PlotScale::Even, &means, 0)?;
        let y = self.place_keys("y", &ask.y, PlotScale::Even, &means, 1)?;
        let axis = self.axis(metric, PlotScale::Linear, Vec::new());
        let kept: Vec<usize> =
            (0..means.len()).filter(|&at| x.at[at].is_finite() && y.at[at].is_finite()).collect();
        let faceted = self.facets_of_means(ask, &means, &kept, by.len() - 1)?;
        Ok(PlotData {
            kind: ask.kind,
            runs: self.len() as u64,
            drawn: kept.iter().map(|&at| u64::from(means[at].runs)).sum(),
            groups: Vec::new(),
            over: over.iter().map(|column| self.table().naming(column).title).collect(),
            marks: PlotMarks {
                x: kept.iter().map(|&at| x.at[at]).collect(),
                y: kept.iter().map(|&at| y.at[at]).collect(),
                value: kept.iter().map(|&at| means[at].value).collect(),
                range: kept.iter().map(|&at| means[at].range(&axis)).collect(),
                panel: faceted.group,
                count: kept.iter().map(|&at| means[at].runs).collect(),
                ..PlotMarks::default()
            },
            x: x.axis,
            y: y.axis,
            beside: None,
            colour: Some(axis),
            facet: faceted.axis,
            panels: faceted.groups,
        })
    }

    fn axis(&self, column: &Column, scale: PlotScale, slots: Vec<String>) -> PlotAxis {
        let Naming { title, unit } = self.table().naming(column);
        PlotAxis { name: column.name().to_owned(), title, unit, scale, slots }
    }

    fn place_keys(
        &self,
        field: &str,
        column: &Column,
        scale: PlotScale,
        means: &[Mean<'_>],
        of: usize,
    ) -> Result<Placed, FieldError> {
        let cells: Vec<_> = means.iter().map(|mean| key(mean.group, of)).collect();
        self.place(field, column, scale, &cells)
    }

    /// Places the values of marks on an axis; those without a place become NaN.
    fn place(
        &self,
        field: &str,
        column: &Column,
        scale: PlotScale,
        cells: &[Cell<'_>],
    ) -> Result<Placed, FieldError> {
        let numbers = cells.iter().all(|cell| matches!(cell, Cell::Number(_) | Cell::Missing));
        let even = match scale {
            PlotScale::Even => true,
            PlotScale::Linear | PlotScale::Log if numbers => false,
            PlotScale::Linear | PlotScale::Log => {
                let message =
                    format!("`{column}` has values that are no numbers; use the scale `even`");
                return Err(FieldError::new(field, message));
            }
            PlotScale::Auto => {
                !numbers
                    || matches!(column, Column::Setting(_)) && distinct(cells).len() <= EVEN_UP_TO
            }
        };
        if !even {
            let log = scale == PlotScale::Log;
            let exact = !matches!(column, Column::Metric(_));
            let at = cells.iter().map(|cell| match *cell {
                Cell::Number(number) if log && number <= 0.0 => f64::NAN,
                Cell::Number(number) if exact => number,
                Cell::Number(number) => tidy(number),
                _ => f64::NAN,
            });
            let scale = if log { PlotScale::Log } else { PlotScale::Linear };
            return Ok(Placed { axis: self.axis(column, scale, Vec::new()), at: at.collect() });
        }
        let known = distinct(cells);
        if known.len() > SLOTS {
            let message = format!(
                "`{column}` has {} values in these runs, and an axis has at most {SLOTS} slots: choose another column \
                 or filter the runs",
                known.len()
            );
            return Err(FieldError::new(field, message));
        }
        let mut slots: Vec<Cell<'_>> = known.into_values().map(|(cell, _)| cell).collect();
        slots.sort_by(|a, b| a.order(*b));
        let slot_of: HashMap<_, _> =
            slots.iter().enumerate().map(|(at, cell)| (Key::of(*cell), at as f64)).collect();
        let at = cells.iter().map(|cell| slot_of.get(&Key::of(*cell)).copied());
        Ok(Placed {
            at: at.map(|at| at.unwrap_or(f64::NAN)).collect(),
            axis: self.axis(
                column,
                PlotScale::Even,
                slots.iter().map(|cell| name(*cell)).collect(),
            ),
        })
    }

    /// The panels of marks; `cells` gives each mark's value of the facet, and its number of runs.
    fn facets<'c>(
        &self,
        ask: &Ask,
        cells: impl FnOnce() -> Vec<(Cell<'c>, u64)>,
    ) -> Result<Coloured, FieldError> {
        let Some(column) = &ask.facet else { return Ok(Coloured::default()) };
        must_repeat("facet", column)?;
        let (cells, counts): (Vec<_>, Vec<_>) = cells().into_iter().unzip();
        let panels = self.in_order(column, &cells, &counts, true);
        if panels.groups.len() > PANELS {
            let message = format!(
                "`{column}` has {} values in these runs, and a figure has at most {PANELS} panels: choose another \
                 column or filter the runs",
                panels.groups.len()
            );
            return Err(FieldError::new("facet", message));
        }
        Ok(panels)
    }

    /// The panels of the means that are kept; the column is the one `of` those grouped by.
    fn facets_of_means(
        &self,
        ask: &Ask,
        means: &[Mean<'_>],
        kept: &[usize],
        of: usize,
    ) -> Result<Coloured, FieldError> {
        self.facets(ask, || {
            kept.iter().map(|&at| (key(means[at].group, of), means[at].runs.into())).collect()
        })
    }

    /// The groups of marks by the value of a column; `counts` are the runs of each mark.
    fn colour(&self, column: &Column, cells: &[Cell<'_>], counts: &[u64]) -> Coloured {
        self.in_order(column, cells, counts, false)
    }

    /// The same, `always` in the order of the values.
    fn in_order(
        &self,
        column: &Column,
        cells: &[Cell<'_>],
        counts: &[u64],
        always: bool,
    ) -> Coloured {
        let mut known = HashMap::new();
        for (cell, count) in cells.iter().zip(counts) {
            known.entry(Key::of(*cell)).or_insert((*cell, 0)).1 += count;
        }
        let mut groups: Vec<_> = known.into_values().collect();
        let ordered = always || groups.len() <= ORDERED_UP_TO;
        groups.sort_by(|(a, runs), (b, others)| {
            let by_size = if ordered { std::cmp::Ordering::Equal } else { others.cmp(runs) };
            by_size.then(a.order(*b))
        });
        let place: HashMap<_, _> =
            groups.iter().enumerate().map(|(at, (cell, _))| (Key::of(*cell), at as u32)).collect();
        Coloured {
            axis: Some(self.axis(column, PlotScale::Even, Vec::new())),
            group: cells.iter().map(|cell| place[&Key::of(*cell)]).collect(),
            groups: groups
                .into_iter()
                .map(|(cell, runs)| PlotGroup { label: name(cell), runs })
                .collect(),
        }
    }
}

/// An axis and the marks' places on it.
struct Placed {
    axis: PlotAxis,
    at: Vec<f64>,
}

/// Groups, and the index of each mark's.
#[derive(Default)]
struct Coloured {
    axis: Option<PlotAxis>,
    groups: Vec<PlotGroup>,
    group: Vec<u32>,
}

/// The mean of a metric over runs.
struct Mean<'g> {
    group: &'g Group,
    runs: u32,
    value: f64,
    spread: Spread,
}

impl<'g> Mean<'g> {
    /// The means of the groups that have the metric.
    fn of(groups: &'g [Group]) -> Vec<Self> {
        let mean = |group: &'g Group| {
            let spread = group.metrics.first().copied().flatten()?;
            Some(Self { group, runs: spread.n, value: tidy(spread.mean), spread })
        };
        groups.iter().filter_map(mean).collect()
    }

    /// The mean of the second metric; `None` where no run has it.
    fn beside(&self) -> Option<f64> {
        let spread = self.group.metrics.get(1).copied().flatten()?;
        Some(tidy(spread.mean))
    }

    /// Student's 95 % interval, within 0 and 100 if it is of shares.
    fn range(&self, axis: &PlotAxis) -> Option<(f64, f64)> {
        let interval = self.spread.interval95()?;
        let (low, high) = (tidy(interval.low), tidy(interval.high));
        Some(if axis.unit == "%" { (low.max(0.0), high.min(100.0)) } else { (low, high) })
    }
}

fn key(group: &Group, of: usize) -> Cell<'_> {
    group.key.get(of).and_then(Option::as_ref).map_or(Cell::Missing, Cell::of)
}

impl Ask {
    /// A part and the facet by name, for errors.
    fn parts<'a>(&'a self, name: &'a str, column: &'a Column) -> Vec<(&'a str, &'a Column)> {
        let facet = self.facet.iter().map(|facet| ("facet", facet));
        [(name, column)].into_iter().chain(facet).collect()
    }
}

fn must_repeat(field: &str, column: &Column) -> Result<(), FieldError> {
    if column.repeats() {
        return Ok(());
    }
    let message = format!("takes a setting, `study`, `kind` or `state`, not `{column}`");
    Err(FieldError::new(field, message))
}

/// The error of a grouping, at the part that its column has.
fn told(error: &GroupError, by: &[(&str, &Column)], other: &str, of: &str) -> FieldError {
    let field = match error {
        GroupError::By(column) => {
            by.iter().find(|(_, part)| *part == column).map_or(other, |(field, _)| field)
        }
        GroupError::Of(_) => of,
    };
    FieldError::new(field, error.to_string())
}

/// A value that can be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'c> {
    Missing,
    Number(u64),
    Text(&'c str),
    Switch(bool),
}

impl<'c> Key<'c> {
    fn of(cell: Cell<'c>) -> Self {
        match cell {
            Cell::Missing => Self::Missing,
            Cell::Number(number) => Self::Number((number + 0.0).to_bits()),
            Cell::Text(text) => Self::Text(text),
            Cell::Switch(on) => Self::Switch(on),
        }
    }
}

/// The distinct values that are there, each with its number of marks.
fn distinct<'c>(cells: &[Cell<'c>]) -> HashMap<Key<'c>, (Cell<'c>, usize)> {
    let mut known = HashMap::new();
    for cell in cells.iter().filter(|cell| !matches!(cell, Cell::Missing)) {
        known.entry(Key::of(*cell)).or_insert((*cell, 0)).1 += 1;
    }
    known
}

/// A value as the name of a slot or group.
fn name(cell: Cell<'_>) -> String {
    match cell {
        Cell::Missing => "none".into(),
        Cell::Number(number) => shared::param::Value::from(number).to_string(),
        Cell::Text(text) => text.into(),
        Cell::Switch(on) => if on { "on" } else { "off" }.into(),
    }
}

/// The seven leading digits of a metric: more would only make answers longer.
fn tidy(number: f64) -> f64 {
    format!("{number:.6e}").parse().unwrap_or(number)
}

fn percent(interval: shared::metric::Interval) -> (f64, f64) {
    (tidy(interval.low * 100.0), tidy(interval.high * 100.0))
}

#[cfg(test)]
mod tests;
