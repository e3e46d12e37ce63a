//! Selected runs: sorting and paging.

use std::collections::BTreeSet;

use shared::{RunId, StudyId};

use super::{
    column::{Column, MISSING, View},
    row::Row,
    table::Table,
    value::Cell,
};

/// Some runs of a table, in an order. It borrows the table, so that it cannot outlive a change.
#[derive(Clone, Debug)]
pub struct Selection<'t> {
    table: &'t Table,
    places: Vec<u32>,
}

/// A sort key for runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

impl<'t> Selection<'t> {
    pub(super) fn new(table: &'t Table, places: Vec<u32>) -> Self {
        Self { table, places }
    }

    /// Number of runs.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no run was chosen.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Sorts by the first key, then by the second, and so on. The sort is stable: ties keep their
    /// order, which initially is the order of creation. Runs without a value come last in either
    /// direction. Numbers come before texts and texts before switches.
    pub fn sort(&mut self, keys: &[SortKey]) {
        for key in keys.iter().rev() {
            self.sort_by_one(key);
        }
    }

    /// Only the runs with a value in a column.
    pub fn having(mut self, column: &Column) -> Self {
        let view = self.table.view(column);
        self.places.retain(|&place| !matches!(view.cell(place as usize), Cell::Missing));
        self
    }

    /// The runs.
    pub fn runs(&self) -> Vec<RunId> {
        self.places.iter().map(|&place| self.table.run(place)).collect()
    }

    /// The studies that have some of the runs.
    pub fn studies(&self) -> BTreeSet<StudyId> {
        let studies = &self.table.studies;
        let codes: BTreeSet<u32> =
            self.places.iter().map(|&place| studies.codes[place as usize]).collect();
        let entries = codes.into_iter().filter_map(|code| studies.entries[code as usize].as_ref());
        entries.flat_map(|entry| entry.iter().map(|study| study.id)).collect()
    }

    /// At most `limit` rows, starting at index `offset`.
    pub fn page(&self, offset: usize, limit: usize) -> Vec<Row> {
        let places = self.places.iter().skip(offset).take(limit);
        places.map(|&place| self.table.row(place)).collect()
    }

    pub(super) fn table(&self) -> &'t Table {
        self.table
    }

    pub(super) fn places(&self) -> &[u32] {
        &self.places
    }

    fn sort_by_one(&mut self, key: &SortKey) {
        match self.table.view(&key.column) {
            View::Absent => {}
            View::Values(values) => {
                let cells: Vec<_> = values.cells().collect();
                let mut codes: Vec<u32> = (0..cells.len() as u32).collect();
                codes.sort_by(|&a, &b| cells[a as usize].order(cells[b as usize]));
                let mut ranks = vec![0; cells.len()];
                for (rank, &code) in codes.iter().enumerate() {
                    ranks[code as usize] = rank as u64;
                }
                ranks[MISSING as usize] = u64::MAX;
                let codes = &values.coded.codes;
                self.sort_by_rank(key, |place| ranks[codes[place] as usize]);
            }
            View::Texts(texts) => {
                let mut places = self.places.clone();
                places.sort_by(|&a, &b| texts[a as usize].cmp(&texts[b as usize]));
                let mut ranks = vec![0; texts.len()];
                let mut rank = 0;
                for (at, &place) in places.iter().enumerate() {
                    let same = at > 0 && texts[places[at - 1] as usize] == texts[place as usize];
                    rank += u64::from(!same);
                    ranks[place as usize] = rank;
                }
                self.sort_by_rank(key, |place| ranks[place]);
            }
            view => self.sort_by_rank(key, |place| rank(view.number(place))),
        }
    }

    /// Sorts by an integer for each place; the largest represents missing values.
    fn sort_by_rank(&mut self, key: &SortKey, rank: impl Fn(usize) -> u64) {
        let mut ranked: Vec<(u64, u32)> = self
            .places
            .iter()
            .map(|&place| match rank(place as usize) {
                u64::MAX => (u64::MAX, place),
                rank if key.descending => (u64::MAX - 1 - rank, place),
                rank => (rank, place),
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        self.places.clear();
        self.places.extend(ranked.into_iter().map(|(_, place)| place));
    }
}

/// Maps numbers to integers in the same order; NaN maps to the largest.
fn rank(number: f64) -> u64 {
    if number.is_nan() {
        return u64::MAX;
    }
    // -0 and 0 are equal. The bits of negative numbers order in reverse; they come first.
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::results::{
        samples::{probe, real, run},
        value::Value,
    };

    fn table(rows: &[Row]) -> Table {
        let mut table = Table::new();
        for row in rows {
            table.insert(row).expect("fits");
        }
        table
    }

    fn sorted(table: &Table, keys: &[(&str, bool)]) -> Vec<RunId> {
        let keys: Vec<_> = keys
            .iter()
            .map(|&(name, descending)| SortKey {
                column: table.column(name).expect("there"),
                descending,
            })
            .collect();
        let mut all = table.all();
        all.sort(&keys);
        all.runs()
    }

    #[test]
    fn runs_are_sorted_by_hand() {
        let mut none = probe(4, 0.2, 5, 1);
        none.settings.remove("probe.poisons");
        none.metrics.clear();
        none.ended = None;
        let table = table(&[probe(3, 0.3, 10, 2), none, probe(1, 0.2, 10, 1), probe(2, 0.3, 0, 1)]);
        let by = |keys: &[(&str, bool)]| sorted(&table, keys);
        assert_eq!(by(&[]), [1, 2, 3, 4].map(run));
        assert_eq!(by(&[("probe.poisons", false)]), [2, 1, 3, 4].map(run), "equal: older first");
        assert_eq!(by(&[("probe.poisons", true)]), [1, 3, 2, 4].map(run), "missing last");
        assert_eq!(by(&[("asr", true)]), [3, 2, 1, 4].map(run));
        assert_eq!(by(&[("asr", false)]), [1, 2, 3, 4].map(run));
        assert_eq!(by(&[("ended", true)]), [3, 2, 1, 4].map(run));
        assert_eq!(by(&[("digest", true)]), [4, 3, 2, 1].map(run));
        assert_eq!(by(&[("run", true)]), [4, 3, 2, 1].map(run));
        let keys = [("attack.trigger.ratio", true), ("seed", true), ("created", true)];
        assert_eq!(by(&keys), [3, 2, 4, 1].map(run));
    }

    #[test]
    fn a_page_is_a_part() {
        let rows: Vec<_> = (1..=5).map(|at| probe(at, 0.3, 0, at)).collect();
        let table = table(&rows);
        assert_eq!(table.all().page(1, 2), rows[1..3]);
        assert_eq!(table.all().page(4, 10), rows[4..]);
        assert!(table.all().page(5, 10).is_empty());
    }

    #[test]
    fn ranks_follow_numbers() {
        let numbers = [f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, 1e-300, 1.0, f64::MAX];
        assert!(numbers.windows(2).all(|pair| rank(pair[0]) < rank(pair[1])));
        assert_eq!(rank(-0.0), rank(0.0));
        assert!(rank(f64::MAX) < u64::MAX - 1, "missing values are above");
    }

    proptest! {
        /// The slow way: compare two rows key by key, and finally by the order of
        /// creation.
        #[test]
        fn sorting_agrees_with_comparing_rows(
            values in prop::collection::vec((0..6u8, prop::option::of(-3..3i8)), 0..40),
            descending in any::<[bool; 2]>(),
        ) {
            let rows: Vec<Row> = values.iter().enumerate().map(|(at, (setting, metric))| {
                let mut row = probe(at as u64 * 7 % 41 + 1, 0.3, 0, 1);
                row.settings.remove("seed");
                let value = match setting {
                    0 => None,
                    1 => Some(Value::from("text")),
                    2 => Some(true.into()),
                    other => Some(f64::from(*other).into()),
                };
                row.settings.extend(value.map(|value| ("seed".to_owned(), value)));
                row.metrics.extend(metric.map(|m| ("x".to_owned(), real(f64::from(m)))));
                row
            }).collect();
            let table = table(&rows);
            let keys = [
                SortKey { column: Column::Setting("seed".into()), descending: descending[0] },
                SortKey { column: Column::Metric("x".into()), descending: descending[1] },
            ];
            let mut all = table.all();
            all.sort(&keys);

            let cells = |row: &'_ Row| {
                let setting = row.settings.get("seed").cloned();
                let metric = row.metrics.get("x").and_then(|metric| metric.measure.number());
                [setting, metric.map(Value::Number)]
            };
            let mut slow = rows.clone();
            slow.sort_by(|a, b| {
                let (x, y) = (cells(a), cells(b));
                for at in 0..2 {
                    let order = match (&x[at], &y[at]) {
                        (Some(x), Some(y)) if descending[at] => Cell::of(y).order(Cell::of(x)),
                        (Some(x), Some(y)) => Cell::of(x).order(Cell::of(y)),
                        (x, y) => x.is_none().cmp(&y.is_none()),
                    };
                    if order.is_ne() {
                        return order;
                    }
                }
                a.created.cmp(&b.created)
            });
            prop_assert_eq!(all.runs(), slow.iter().map(|row| row.run).collect::<Vec<_>>());
        }
    }
}
