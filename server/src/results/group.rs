//! Groups of runs with equal values of some settings: mean, deviation and interval over the other
//! settings, usually the seed.

use std::collections::HashMap;

use shared::metric::Spread;
use thiserror::Error;

use super::{
    column::{Column, MISSING, View},
    selection::Selection,
    value::{Cell, Value},
};

/// Runs in groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// One group for each combination of values, in the order of their first runs in the selection.
    pub groups: Vec<Group>,
    /// Settings (and the run kind) that differ within a group: the means are taken over these.
    pub over: Vec<Column>,
}

/// Runs with equal values in the chosen columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The value of each chosen column; `None` if the runs have no value.
    pub key: Vec<Option<Value>>,
    /// Number of runs.
    pub runs: u32,
    /// The spread of each chosen metric over the runs that have it; `None` if no run does. In the
    /// metric's unit, ratios in percent; [`Spread::interval95`] is Student's interval of the mean.
    pub metrics: Vec<Option<Spread>>,
}

/// Why runs cannot be grouped this way.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GroupError {
    /// Only columns whose values repeat can be grouped by.
    #[error("runs can be grouped by settings, study, kind or state, not by `{0}`")]
    By(Column),
    /// Means are taken of metrics.
    #[error("`{0}` is not a metric, and only metrics can be averaged")]
    Of(Column),
}

impl Selection<'_> {
    /// Groups the runs by settings, their study, kind or state. Without columns, all runs form one group.
    ///
    /// # Errors
    /// When a column of `by` has a value for each run, or one of `of` is not a metric.
    pub fn group(&self, by: &[Column], of: &[Column]) -> Result<Groups, GroupError> {
        if let Some(column) = of.iter().find(|it| !matches!(it, Column::Metric(_))) {
            return Err(GroupError::Of(column.clone()));
        }
        let table = self.table();
        let mut members = Members::all(self.places());
        let mut views = Vec::with_capacity(by.len());
        for column in by {
            if !column.repeats() {
                return Err(GroupError::By(column.clone()));
            }
            let view = table.view(column);
            if let Some(codes) = view.codes() {
                members.split(&codes);
            }
            views.push(view);
        }
        let rows = members.rows();
        let metrics: Vec<_> = of.iter().map(|column| spreads(&table.view(column), &rows)).collect();
        let groups = rows.iter().enumerate().map(|(at, places)| Group {
            key: views.iter().map(|view| value(view.cell(places[0] as usize))).collect(),
            runs: places.len() as u32,
            metrics: metrics.iter().map(|spreads| spreads[at]).collect(),
        });
        let settings = table.settings().map(|path| Column::Setting(path.to_owned()));
        let others = settings.chain([Column::Kind]).filter(|column| !by.contains(column));
        let over = others.filter(|column| match table.view(column) {
            View::Values(values) => members.differ(&values.coded.codes),
            _ => false,
        });
        Ok(Groups { groups: groups.collect(), over: over.collect() })
    }
}

impl Groups {
    /// Sorts by the value of a chosen column; ties keep their order. Groups without a value come last.
    pub fn sort_by_key(&mut self, at: usize, descending: bool) {
        self.groups.sort_by(|a, b| match (&a.key[at], &b.key[at]) {
            (Some(a), Some(b)) if descending => Cell::of(b).order(Cell::of(a)),
            (Some(a), Some(b)) => Cell::of(a).order(Cell::of(b)),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
    }

    /// Sorts by the mean of a chosen metric; ties keep their order. Groups without it come last.
    pub fn sort_by_mean(&mut self, at: usize, descending: bool) {
        self.groups.sort_by(|a, b| match (a.metrics[at], b.metrics[at]) {
            (Some(a), Some(b)) if descending => b.mean.total_cmp(&a.mean),
            (Some(a), Some(b)) => a.mean.total_cmp(&b.mean),
            (a, b) => a.is_none().cmp(&b.is_none()),
        });
    }
}

/// Assigns rows to groups. Groups are numbered in the order of their first rows.
struct Members<'p> {
    places: &'p [u32],
    /// The group of each position in `places`.
    of: Vec<u32>,
    /// The position of each group's first row in `places`.
    first: Vec<usize>,
}

impl<'p> Members<'p> {
    fn all(places: &'p [u32]) -> Self {
        let first = if places.is_empty() { Vec::new() } else { vec![0] };
        Self { places, of: vec![0; places.len()], first }
    }

    /// Splits each group by the codes of a column.
    fn split(&mut self, codes: &[u32]) {
        let mut groups: HashMap<(u32, u32), u32> = HashMap::new();
        self.first.clear();
        for (at, (&place, group)) in self.places.iter().zip(&mut self.of).enumerate() {
            let new = groups.len() as u32;
            let split = *groups.entry((*group, codes[place as usize])).or_insert(new);
            if split == new {
                self.first.push(at);
            }
            *group = split;
        }
    }

    /// The places of each group, in order.
    fn rows(&self) -> Vec<Vec<u32>> {
        let mut rows = vec![Vec::new(); self.first.len()];
        for (&place, &group) in self.places.iter().zip(&self.of) {
            rows[group as usize].push(place);
        }
        rows
    }

    /// Whether some group has rows with different values; a missing value differs from none, because the setting then does not matter
    /// to the run.
    fn differ(&self, codes: &[u32]) -> bool {
        let mut first = vec![MISSING; self.first.len()];
        self.places.iter().zip(&self.of).any(|(&place, &group)| {
            let (code, known) = (codes[place as usize], &mut first[group as usize]);
            if *known == MISSING {
                *known = code;
            }
            code != MISSING && code != *known
        })
    }
}

fn spreads(view: &View<'_>, groups: &[Vec<u32>]) -> Vec<Option<Spread>> {
    let mut numbers = Vec::new();
    let spread = |places: &Vec<u32>| {
        numbers.clear();
        numbers.extend(places.iter().map(|&place| view.number(place as usize)));
        numbers.retain(|number| !number.is_nan());
        Spread::of(&numbers)
    };
    groups.iter().map(spread).collect()
}

fn value(cell: Cell<'_>) -> Option<Value> {
    match cell {
        Cell::Missing => None,
        Cell::Number(number) => Some(Value::Number(number)),
        Cell::Text(text) => Some(text.into()),
        Cell::Switch(on) => Some(Value::Switch(on)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::results::{
        Filter, Row, Table,
        samples::{probe, real},
    };

    fn table(rows: &[Row]) -> Table {
        let mut table = Table::new();
        for row in rows {
            table.insert(row).expect("fits");
        }
        table
    }

    fn columns(table: &Table, names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| table.column(name).expect("there")).collect()
    }

    #[test]
    fn seeds_become_one_line_by_hand() {
        // ASR is 10, 20, ... by the number of the row; seeds 1 to 3 of one point, one of another.
        let mut rows = vec![probe(1, 0.3, 3, 1), probe(2, 0.3, 3, 2), probe(6, 0.3, 3, 3)];
        rows.push(probe(4, 0.3, 0, 1));
        for row in &mut rows {
            row.settings.remove("pretrain.flip");
        }
        let table = table(&rows);
        let by = columns(&table, &["probe.poisons", "attack.trigger.ratio"]);
        let of = columns(&table, &["asr", "loss"]);
        let mut groups = table.all().group(&by, &of).expect("settings");
        assert_eq!(groups.over, [Column::Setting("seed".into())]);
        let first_runs = |groups: &Groups| groups.groups[0].runs;
        groups.sort_by_key(0, false);
        assert_eq!(first_runs(&groups), 1, "no poisons");
        groups.sort_by_mean(0, false);
        assert_eq!(first_runs(&groups), 3, "30 %, then 40 %");
        groups.sort_by_mean(0, true);
        assert_eq!(first_runs(&groups), 1);
        groups.sort_by_mean(1, true);
        assert_eq!(first_runs(&groups), 1, "without losses nothing changes");
        groups.sort_by_key(0, true);
        let [first, second] = &groups.groups[..] else { panic!("two groups: {groups:?}") };
        assert_eq!(first.key, [Some(3.0.into()), Some(0.3.into())]);
        assert_eq!((first.runs, second.runs), (3, 1));
        // 10, 20, 60: mean 30, deviations -20, -10, 30: sqrt(1400 / 2).
        let spread = first.metrics[0].expect("three");
        assert_eq!((spread.n, spread.mean), (3, 30.0));
        assert!((spread.deviation - 700f64.sqrt()).abs() < 1e-12);
        // t = 4.302653 for 2 degrees of freedom: 4.302653 * sqrt(700 / 3) = 65.724106.
        let interval = spread.interval95().expect("three");
        assert!((interval.high - 95.724_106).abs() < 1e-5, "{interval:?}");
        assert_eq!(second.metrics[0].map(|spread| (spread.n, spread.mean)), Some((1, 40.0)));
        assert_eq!(first.metrics[1], None, "no run has a loss");
    }

    #[test]
    fn a_filter_and_a_sort_come_first() {
        let mut rows: Vec<_> = (1..=4).map(|at| probe(at, 0.1 * at as f64, 3, 1)).collect();
        rows[3].settings.remove("attack.trigger.ratio");
        let table = table(&rows);
        let by = columns(&table, &["attack.trigger.ratio"]);
        let filter = Filter::new("asr > 10", &table).expect("an expression");
        let mut chosen = filter.select(&table);
        let descending = true;
        chosen.sort(&[crate::results::SortKey { column: by[0].clone(), descending }]);
        let groups = chosen.group(&by, &[]).expect("a setting");
        let keys: Vec<_> = groups.groups.iter().map(|group| group.key[0].clone()).collect();
        assert_eq!(keys, [Some((0.1 * 3.0).into()), Some(0.2.into()), None]);
        assert!(groups.over.is_empty(), "a group of one varies in nothing");
    }

    #[test]
    fn all_runs_are_one_group_and_none_are_no_group() {
        let mut rows = vec![probe(2, 0.3, 3, 1), probe(4, 0.3, 3, 1)];
        rows[1].kind = "finetune".into();
        rows[1].settings.remove("dataset.name");
        let table = table(&rows);
        let groups = table.all().group(&[], &[]).expect("no column");
        assert_eq!(groups.groups.len(), 1);
        assert_eq!(groups.over, [Column::Kind], "a missing value is no difference");
        let none = Filter::new("false", &table).expect("an expression").select(&table);
        assert!(none.group(&[], &[]).expect("no column").groups.is_empty());
    }

    #[test]
    fn numbers_are_averaged_and_not_grouped_by() {
        let table = table(&[probe(1, 0.3, 3, 1)]);
        let [asr, seed] = &columns(&table, &["asr", "seed"])[..] else { panic!("two") };
        let error = table.all().group(std::slice::from_ref(asr), &[]).expect_err("a metric");
        assert_eq!(error, GroupError::By(asr.clone()));
        let error = table.all().group(&[], std::slice::from_ref(seed)).expect_err("a setting");
        assert_eq!(error, GroupError::Of(seed.clone()));
    }

    /// The numbers and the seeds of a group.
    type Line = (Vec<f64>, Vec<u8>);

    proptest! {
        /// The slow way: a map from the values that the rows agree in to the numbers of each.
        #[test]
        fn grouping_agrees_with_a_map(
            values in prop::collection::vec(
                (0..3u8, prop::option::of(0..3u8), 0..4u8, prop::option::of(-9..9i8)), 0..60,
            ),
        ) {
            let mut rows = Vec::new();
            for (at, (a, b, seed, metric)) in values.iter().enumerate() {
                let mut row = probe(at as u64 + 1, f64::from(*a), 0, u64::from(*seed));
                row.settings.remove("pretrain.flip");
                row.settings.extend(b.map(|b| ("b".to_owned(), f64::from(b).into())));
                row.metrics.extend(metric.map(|m| ("x".to_owned(), real(f64::from(m)))));
                rows.push(row);
            }
            let table = table(&rows);
            let by = ["attack.trigger.ratio", "b"].map(|path| Column::Setting(path.into()));
            let of = [Column::Metric("x".into())];
            let groups = table.all().group(&by, &of).expect("settings");

            let mut slow: BTreeMap<(u8, Option<u8>), Line> = BTreeMap::new();
            for (a, b, seed, metric) in &values {
                let (numbers, seeds) = slow.entry((*a, *b)).or_default();
                numbers.extend(metric.map(f64::from));
                seeds.push(*seed);
            }
            prop_assert_eq!(groups.groups.len(), slow.len());
            for group in &groups.groups {
                let number = |value: &Option<Value>| match value {
                    Some(Value::Number(number)) => Some(*number as u8),
                    _ => None,
                };
                let key = (number(&group.key[0]).expect("each row has it"), number(&group.key[1]));
                let (numbers, seeds) = &slow[&key];
                prop_assert_eq!(group.runs as usize, seeds.len());
                prop_assert_eq!(group.metrics[0], Spread::of(numbers));
            }
            let varies = slow.values().any(|(_, seeds)| seeds.iter().any(|it| *it != seeds[0]));
            let seed = Column::Setting("seed".into());
            prop_assert_eq!(groups.over, if varies { vec![seed] } else { Vec::new() });
        }
    }
}
