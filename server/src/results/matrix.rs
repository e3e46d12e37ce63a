//! The numbers of a matrix of attacks and defences: means of a metric, and of its control or its value before the defence, by two columns.

use shared::{
    FieldError,
    api::{MatrixCell, MatrixData, MatrixShows, Mean, PlotAxis, PlotScale},
    metric::Spread,
    param::{Domain, SETTINGS, Setting, Value as Written},
};

use super::{
    column::Column,
    describe::Naming,
    group::{Group, Groups},
    selection::Selection,
    value::{Cell, Value},
};

/// Most rows, and most columns.
const MOST: usize = 40;

/// What a matrix shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From top to bottom.
    pub rows: Column,
    /// From left to right.
    pub columns: Column,
    /// The metric.
    pub shows: MatrixShows,
}

impl Selection<'_> {
    /// The numbers of a matrix of these runs. Those without the metric are left out.
    ///
    /// # Errors
    /// When rows (`y`) or columns (`x`) are no setting, `study`, `kind` or `state`, are the same, or are too many.
    pub fn matrix(self, ask: &Ask) -> Result<MatrixData, FieldError> {
        if ask.rows == ask.columns {
            let message = format!("`{}` gives the rows already", ask.rows);
            return Err(FieldError::new("x", message));
        }
        let runs = self.clone().having(&Column::Setting("defence.method".into())).len() as u64;
        let [value, beside] = ask.shows.metrics().map(|name| Column::Metric(name.into()));
        let chosen = self.having(&value);
        let by = [ask.rows.clone(), ask.columns.clone()];
        let Groups { groups, over } = chosen.group(&by, &[value, beside]).map_err(|error| {
            let rows = !ask.rows.repeats();
            FieldError::new(if rows { "y" } else { "x" }, error.to_string())
        })?;
        let rows = slots("y", &ask.rows, &groups, 0)?;
        let columns = slots("x", &ask.columns, &groups, 1)?;
        let table = chosen.table();
        let axis = |column: &Column, slots: &[Option<Value>]| {
            let Naming { title, unit } = table.naming(column);
            let slots = slots.iter().map(|value| words(column, value.as_ref())).collect();
            PlotAxis { name: column.name().into(), title, unit, scale: PlotScale::Even, slots }
        };
        let place = |slots: &[Option<Value>], value: &Option<Value>| {
            slots.iter().position(|slot| slot == value).unwrap_or_default() as u32
        };
        let cell = |group: &Group| {
            Some(MatrixCell {
                row: place(&rows, &group.key[0]),
                column: place(&columns, &group.key[1]),
                value: mean(group.metrics[0]?),
                beside: group.metrics[1].map(mean),
            })
        };
        let mut cells: Vec<MatrixCell> = groups.iter().filter_map(cell).collect();
        cells.sort_by_key(|cell| (cell.row, cell.column));
        Ok(MatrixData {
            shows: ask.shows,
            rows: axis(&ask.rows, &rows),
            columns: axis(&ask.columns, &columns),
            runs,
            drawn: chosen.len() as u64,
            over: over.iter().map(|column| table.naming(column).title).collect(),
            cells,
        })
    }
}

/// The distinct values of a column: choices in the order of the settings' table, others in their own.
fn slots(
    field: &str,
    column: &Column,
    groups: &[Group],
    of: usize,
) -> Result<Vec<Option<Value>>, FieldError> {
    let mut values: Vec<Option<Value>> = Vec::new();
    for group in groups {
        if !values.contains(&group.key[of]) {
            values.push(group.key[of].clone());
        }
    }
    if values.len() > MOST {
        let message = format!(
            "`{column}` has {} values in these runs, and a matrix takes at most {MOST}: choose another column or filter the runs",
            values.len()
        );
        return Err(FieldError::new(field, message));
    }
    let rank = |value: &Option<Value>| match (setting(column).map(|setting| setting.domain), value)
    {
        (Some(Domain::Choice(choices)), Some(Value::Text(name))) => {
            choices.iter().position(|choice| choice.name == &**name).unwrap_or(choices.len())
        }
        _ => 0,
    };
    values.sort_by(|a, b| {
        let own = || match (a, b) {
            (Some(a), Some(b)) => Cell::of(a).order(Cell::of(b)),
            (a, b) => a.is_none().cmp(&b.is_none()),
        };
        rank(a).cmp(&rank(b)).then_with(own)
    });
    Ok(values)
}

fn setting(column: &Column) -> Option<&'static Setting> {
    let Column::Setting(path) = column else { return None };
    SETTINGS.iter().find(|setting| setting.path == path)
}

/// A value as people read it.
fn words(column: &Column, value: Option<&Value>) -> String {
    let Some(value) = value else { return "none".into() };
    let written = Written::from(value.clone());
    setting(column).map_or_else(|| written.to_string(), |setting| setting.words(&written))
}

/// A mean with Student's 95 % interval.
pub(crate) fn mean(spread: Spread) -> Mean {
    let interval = spread.interval95();
    Mean {
        n: spread.n,
        mean: spread.mean,
        deviation: spread.deviation,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    }
}

#[cfg(test)]
mod tests {
    use shared::Ratio;

    use super::*;
    use crate::results::{Measure, Metric, Row, Table, samples::probe};

    /// A defence run by its trigger, method and seed.
    fn defence(
        at: u64,
        trigger: &str,
        method: &str,
        seed: u64,
        metrics: &[(&str, Measure)],
    ) -> Row {
        let mut row = probe(at, 0.4, 0, seed);
        row.kind = "defence".into();
        row.settings.insert("attack.trigger.kind".into(), trigger.into());
        row.settings.insert("defence.method".into(), method.into());
        row.metrics = metrics
            .iter()
            .map(|&(name, measure)| (name.into(), Metric::known(name, measure).expect("known")))
            .collect();
        row
    }

    fn area(area: f64) -> (&'static str, Measure) {
        ("auroc", Measure::Real(area))
    }

    fn table() -> Table {
        let control = |area| ("control_auroc", Measure::Real(area));
        let share = |name, hits| (name, Measure::Ratio(Ratio { hits, total: 100 }));
        let rows = [
            defence(2, "square", "scan", 1, &[area(0.9), control(0.5)]),
            defence(4, "square", "scan", 2, &[area(0.7), control(0.7)]),
            defence(6, "blended", "spectral", 1, &[area(0.6)]),
            defence(
                8,
                "blended",
                "strip",
                1,
                &[area(0.8), share("asr_before", 90), share("asr_after", 10)],
            ),
            // No defence: it has no place in the matrix.
            probe(1, 0.3, 10, 1),
        ];
        let mut table = Table::new();
        for row in rows {
            table.insert(&row).expect("fits");
        }
        table
    }

    fn ask(table: &Table, shows: MatrixShows) -> Ask {
        let column = |name: &str| table.column(name).expect("there");
        Ask { rows: column("attack.trigger.kind"), columns: column("defence.method"), shows }
    }

    #[test]
    fn cells_are_means_over_seeds_with_their_control_by_hand() {
        let table = table();
        let data = table.all().matrix(&ask(&table, MatrixShows::Auroc)).expect("suits");
        assert_eq!((data.runs, data.drawn), (4, 4));
        // In the order of the settings' table, and by the names that people read.
        assert_eq!(data.columns.slots, ["Spectral signatures", "SCAn", "STRIP"]);
        assert_eq!(data.rows.slots.len(), 2);
        let places: Vec<(u32, u32)> = data.cells.iter().map(|at| (at.row, at.column)).collect();
        assert_eq!(places.len(), 3);
        assert!(places.is_sorted());
        let scan = data.cells.iter().find(|cell| cell.column == 1).expect("SCAn");
        let blended = data.cells.iter().find(|cell| cell.column == 0).expect("spectral");
        assert_ne!(scan.row, blended.row);
        // 0.9 and 0.7: 0.8 ± 12.706205 x 0.141421 / sqrt(2) = 1.270620.
        assert_eq!((scan.value.n, scan.value.mean), (2, 0.8));
        assert!((scan.value.low.expect("two runs") + 0.470_620).abs() < 1e-5);
        assert!((scan.beside.expect("a control").mean - 0.6).abs() < 1e-12);
        assert_eq!((blended.value.n, blended.value.low, blended.beside), (1, None, None));
        assert!(data.over.iter().any(|title| title == "Seed"), "{:?}", data.over);
    }

    #[test]
    fn shares_come_with_those_before_the_defence() {
        let table = table();
        let data = table.all().matrix(&ask(&table, MatrixShows::Asr)).expect("suits");
        assert_eq!((data.drawn, data.cells.len()), (1, 1));
        let cell = data.cells[0];
        assert_eq!((cell.value.mean, cell.beside.map(|mean| mean.mean)), (10.0, Some(90.0)));
        assert_eq!(data.columns.slots, ["STRIP"]);
    }

    #[test]
    fn columns_that_do_not_suit_are_named() {
        let table = table();
        let mut ask = ask(&table, MatrixShows::Auroc);
        ask.columns = ask.rows.clone();
        assert_eq!(table.all().matrix(&ask).expect_err("the same").field, "x");
        ask.rows = table.column("asr").expect("there");
        assert_eq!(table.all().matrix(&ask).expect_err("a metric").field, "y");
    }
}
