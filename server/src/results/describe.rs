//! What the columns of a table are called, and what they hold in the selected runs.

use std::collections::BTreeSet;

use shared::{
    api::{ColumnKind, ResultColumn, ResultColumns},
    param::{SETTINGS, title},
};

use super::{
    column::{Column, View},
    selection::Selection,
    table::Table,
    value::{Cell, Types},
};

/// More distinct values than this are counted, not listed.
const LISTED: usize = 50;

/// The name of a column for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Its title: `Blend ratio`.
    pub title: String,
    /// The unit of its numbers; may be empty.
    pub unit: String,
}

impl Table {
    /// The name of a column for people.
    pub fn naming(&self, column: &Column) -> Naming {
        let naming = |title: &str, unit: &str| Naming { title: title.into(), unit: unit.into() };
        match column {
            Column::Run => naming("Run", ""),
            Column::Digest => naming("Digest", ""),
            Column::Kind => naming("Kind", ""),
            Column::State => naming("State", ""),
            Column::Study => naming("Study", ""),
            Column::Created => naming("Created", "ms since 1970"),
            Column::Ended => naming("Ended", "ms since 1970"),
            Column::Setting(path) => {
                let setting = SETTINGS.iter().find(|setting| setting.path == path);
                let unit = setting.map_or("", |setting| setting.unit);
                Naming { title: title(path).unwrap_or_else(|| path.clone()), unit: unit.into() }
            }
            Column::Metric(name) => self
                .metric(name)
                .map_or_else(|| naming(name, ""), |info| naming(&info.title, &info.unit)),
        }
    }
}

impl Selection<'_> {
    /// The columns that have a value in some of these runs: of every run, settings, metrics.
    pub fn columns(&self) -> ResultColumns {
        let table = self.table();
        let settings = table.settings().map(|path| Column::Setting(path.to_owned()));
        let metrics = table.metrics().map(|name| Column::Metric(name.to_owned()));
        let columns = Column::OF_EVERY_RUN.into_iter().chain(settings).chain(metrics);
        ResultColumns {
            runs: self.len() as u64,
            columns: columns.filter_map(|column| self.describe(&column)).collect(),
        }
    }

    fn describe(&self, column: &Column) -> Option<ResultColumn> {
        let table = self.table();
        let view = match column {
            Column::Run | Column::Digest => View::Absent,
            _ => table.view(column),
        };
        let values = match column {
            // Each run has its own.
            Column::Run | Column::Digest => Distinct::own(self.places()),
            _ => Distinct::of(&view, self.places()),
        };
        if values.runs == 0 {
            return None;
        }
        let Naming { title, unit } = table.naming(column);
        Some(ResultColumn {
            name: column.name().to_owned(),
            title,
            unit,
            kind: match column {
                Column::Setting(_) => ColumnKind::Setting,
                Column::Metric(_) => ColumnKind::Metric,
                _ => ColumnKind::Run,
            },
            number: view.types() == Types::NUMBER,
            runs: values.runs,
            distinct: values.count,
            values: values.listed.iter().map(|cell| literal(*cell)).collect(),
        })
    }
}

/// The distinct values of a column in some rows.
struct Distinct<'v> {
    runs: u64,
    count: u64,
    /// In order; empty if there are many, or if the values of the column do not repeat.
    listed: Vec<Cell<'v>>,
}

impl<'v> Distinct<'v> {
    fn own(places: &[u32]) -> Self {
        let runs = places.len() as u64;
        Self { runs, count: runs, listed: Vec::new() }
    }

    fn of(view: &'v View<'_>, places: &[u32]) -> Self {
        let cell = |row: u32| view.cell(row as usize);
        if let Some(codes) = view.codes() {
            let mut rows: Vec<Option<u32>> = Vec::new();
            let mut runs = 0;
            for &place in places {
                let is_there = !matches!(cell(place), Cell::Missing | Cell::Text(""));
                runs += u64::from(is_there);
                let code = codes[place as usize] as usize;
                if code >= rows.len() {
                    rows.resize(code + 1, None);
                }
                if is_there && rows[code].is_none() {
                    rows[code] = Some(place);
                }
            }
            let mut listed: Vec<_> = rows.into_iter().flatten().map(cell).collect();
            let count = listed.len() as u64;
            listed.sort_by(|a, b| a.order(*b));
            if listed.len() > LISTED {
                listed.clear();
            }
            return Self { runs, count, listed };
        }
        let numbers = places.iter().map(|&place| view.number(place as usize));
        let mut runs = 0;
        let distinct: BTreeSet<u64> = numbers
            .filter(|number| !number.is_nan())
            .inspect(|_| runs += 1)
            .map(f64::to_bits)
            .collect();
        Self { runs, count: distinct.len() as u64, listed: Vec::new() }
    }
}

/// A value as filters write it: texts in quotation marks.
fn literal(cell: Cell<'_>) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) => serde_json::Value::from(text).to_string(),
        Cell::Switch(on) => on.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Filter, samples::probe};

    #[test]
    fn columns_tell_what_they_hold_in_the_selection() {
        let mut table = Table::new();
        table.declare_setting("attack.trigger.word", Types::TEXT).expect("free");
        for row in [probe(1, 0.3, 0, 1), probe(2, 0.2, 10, 1), probe(3, 0.2, 10, 2)] {
            table.insert(&row).expect("fits");
        }
        let all = table.all().columns();
        assert_eq!(all.runs, 3);
        let column = |columns: &ResultColumns, name: &str| {
            columns.columns.iter().find(|column| column.name == name).cloned()
        };
        let ratio = column(&all, "attack.trigger.ratio").expect("there");
        assert_eq!((ratio.kind, ratio.number, ratio.runs), (ColumnKind::Setting, true, 3));
        assert_eq!(ratio.values, ["0.2", "0.3"]);
        let study = column(&all, "study").expect("there");
        assert_eq!((study.distinct, study.values), (1, vec!["\"grid\"".to_owned()]));
        let asr = column(&all, "asr").expect("there");
        assert_eq!((asr.unit.as_str(), asr.distinct, asr.values.len()), ("%", 3, 0));
        assert_eq!(column(&all, "attack.trigger.word"), None, "no run has it");
        assert_eq!(column(&all, "loss"), None);

        let filter = Filter::new("probe.poisons == 10", &table).expect("valid");
        let some = filter.select(&table).columns();
        assert_eq!((some.runs, column(&some, "probe.poisons").expect("there").distinct), (2, 1));
        // What is listed is what a filter takes.
        for value in study_and_flip(&all) {
            assert!(Filter::new(&value, &table).is_ok(), "{value}");
        }
    }

    fn study_and_flip(all: &ResultColumns) -> Vec<String> {
        let listed = all.columns.iter().filter(|column| !column.values.is_empty());
        listed.map(|column| format!("{} == {}", column.name, column.values[0])).collect()
    }
}
