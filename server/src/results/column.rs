//! Columns: how names refer to them, and how they are stored.
//!
//! Settings, kinds, states and studies repeat from run to run, so their columns hold codes into a
//! dictionary of distinct values. A condition on a value is then evaluated once for each entry
//! instead of once for each run.

use std::{borrow::Cow, collections::HashMap, fmt, hash::Hash};

use shared::Ratio;
use thiserror::Error;

use super::{
    metric::{Info, Measure, MeasureKind},
    value::{Cell, Entry, Types, Value},
};

/// A column of a table, under the name that expressions use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// `run`: the run's identifier, a text.
    Run,
    /// `digest`: the hash of what determines the result, a text.
    Digest,
    /// `kind`: the run kind, a text.
    Kind,
    /// `state`: the run's state, a text.
    State,
    /// `study`: the name of the study that used the run first, a text.
    Study,
    /// `created`: when the run was created, in Unix milliseconds.
    Created,
    /// `ended`: when the run ended, in Unix milliseconds; missing until then.
    Ended,
    /// A setting, by its path.
    Setting(String),
    /// A metric, by its name; ratios are in percent.
    Metric(String),
}

impl Column {
    /// The columns that each run has.
    pub const OF_EVERY_RUN: [Self; 7] =
        [Self::Study, Self::Kind, Self::State, Self::Created, Self::Ended, Self::Run, Self::Digest];

    /// Whether runs can be grouped by it, because its values repeat.
    pub fn repeats(&self) -> bool {
        matches!(self, Self::Setting(_) | Self::Study | Self::Kind | Self::State)
    }

    /// The name in expressions.
    pub fn name(&self) -> &str {
        match self {
            Self::Run => "run",
            Self::Digest => "digest",
            Self::Kind => "kind",
            Self::State => "state",
            Self::Study => "study",
            Self::Created => "created",
            Self::Ended => "ended",
            Self::Setting(name) | Self::Metric(name) => name,
        }
    }
}

/// A name that refers to no column.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no setting or metric `{name}`{}", did_you_mean(.nearest.as_deref()))]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// The column name that was most likely meant.
    pub nearest: Option<String>,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The code of a missing value.
pub(super) const MISSING: u32 = 0;

/// Distinct values, and a code into them for each row.
#[derive(Clone, Debug)]
pub(super) struct Coded<T> {
    /// A code for each row.
    pub(super) codes: Vec<u32>,
    /// The value of each code; `None` for [`MISSING`] and for free codes.
    pub(super) entries: Vec<Option<T>>,
    /// Number of rows that have each code.
    counts: Vec<u32>,
    code_of: HashMap<T, u32>,
    free: Vec<u32>,
}

impl<T: Clone + Eq + Hash> Coded<T> {
    /// A column in which `rows` rows have no value.
    pub(super) fn missing(rows: usize) -> Self {
        Self {
            codes: vec![MISSING; rows],
            entries: vec![None],
            counts: vec![rows as u32],
            code_of: HashMap::new(),
            free: Vec::new(),
        }
    }

    /// Whether no row has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.code_of.is_empty()
    }

    pub(super) fn push(&mut self, value: Option<T>) {
        let code = self.take(value);
        self.codes.push(code);
    }

    pub(super) fn set(&mut self, row: usize, value: Option<T>) {
        // Take the new code first, so that an entry that stays in use keeps its code.
        let code = self.take(value);
        let old = std::mem::replace(&mut self.codes[row], code);
        self.give_back(old);
    }

    /// Removes a row; the last row takes its place.
    pub(super) fn swap_remove(&mut self, row: usize) {
        let code = self.codes.swap_remove(row);
        self.give_back(code);
    }

    pub(super) fn get(&self, row: usize) -> Option<&T> {
        self.entries[self.codes[row] as usize].as_ref()
    }

    fn take(&mut self, value: Option<T>) -> u32 {
        let code = match value {
            None => MISSING,
            Some(value) => match self.code_of.get(&value) {
                Some(&code) => code,
                None => self.enter(value),
            },
        };
        self.counts[code as usize] += 1;
        code
    }

    fn enter(&mut self, value: T) -> u32 {
        let code = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.counts.push(0);
            self.entries.len() as u32 - 1
        });
        self.entries[code as usize] = Some(value.clone());
        self.code_of.insert(value, code);
        code
    }

    fn give_back(&mut self, code: u32) {
        let at = code as usize;
        self.counts[at] -= 1;
        if self.counts[at] == 0
            && let Some(value) = self.entries[at].take()
        {
            self.code_of.remove(&value);
            self.free.push(code);
        }
    }
}

/// A column of values: a setting, a kind, a state.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub(super) coded: Coded<Entry>,
    /// The declared types; they remain known without any row.
    pub(super) declared: Types,
}

impl Values {
    pub(super) fn missing(rows: usize, declared: Types) -> Self {
        Self { coded: Coded::missing(rows), declared }
    }

    /// The types of the present values and the declared types.
    pub(super) fn types(&self) -> Types {
        let entries = self.coded.entries.iter().flatten();
        entries.fold(self.declared, |types, entry| types | Cell::of(entry.value()).types())
    }

    pub(super) fn get(&self, row: usize) -> Option<&Value> {
        self.coded.get(row).map(Entry::value)
    }

    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        self.get(row).map_or(Cell::Missing, Cell::of)
    }

    /// Each code's value; missing for free codes.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        let entries = self.coded.entries.iter();
        entries.map(|entry| entry.as_ref().map_or(Cell::Missing, |entry| Cell::of(entry.value())))
    }
}

/// A column of measures.
#[derive(Clone, Debug)]
pub(super) struct Measures {
    pub(super) info: Info,
    pub(super) numbers: Numbers,
    /// Number of rows that have a measure.
    count: usize,
    /// Whether the column remains known without any row.
    known: bool,
}

/// The values of measures; missing ones have a total of 0 or are NaN.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    Ratio(Vec<Ratio>),
    Real(Vec<f64>),
}

const NOTHING_COUNTED: Ratio = Ratio { hits: 0, total: 0 };

impl Measures {
    pub(super) fn missing(rows: usize, info: Info, kind: MeasureKind, known: bool) -> Self {
        let numbers = match kind {
            MeasureKind::Ratio => Numbers::Ratio(vec![NOTHING_COUNTED; rows]),
            MeasureKind::Real => Numbers::Real(vec![f64::NAN; rows]),
        };
        Self { info, numbers, count: 0, known }
    }

    /// Whether the column can be dropped: no row has a measure, and it was not declared.
    pub(super) fn is_unused(&self) -> bool {
        self.count == 0 && !self.known
    }

    pub(super) fn kind(&self) -> MeasureKind {
        match self.numbers {
            Numbers::Ratio(_) => MeasureKind::Ratio,
            Numbers::Real(_) => MeasureKind::Real,
        }
    }

    /// Adds a row. Panics if the measure is of the other kind, as [`set`](Self::set) does.
    pub(super) fn push(&mut self, measure: Option<Measure>) {
        let rows = match &mut self.numbers {
            Numbers::Ratio(ratios) => {
                ratios.push(NOTHING_COUNTED);
                ratios.len()
            }
            Numbers::Real(numbers) => {
                numbers.push(f64::NAN);
                numbers.len()
            }
        };
        self.set(rows - 1, measure);
    }

    pub(super) fn set(&mut self, row: usize, measure: Option<Measure>) {
        self.count -= usize::from(self.get(row).is_some());
        match (&mut self.numbers, measure) {
            (Numbers::Ratio(ratios), None) => ratios[row] = NOTHING_COUNTED,
            (Numbers::Ratio(ratios), Some(Measure::Ratio(ratio))) => ratios[row] = ratio,
            (Numbers::Real(numbers), None) => numbers[row] = f64::NAN,
            (Numbers::Real(numbers), Some(Measure::Real(number))) => {
                numbers[row] = if number.is_finite() { number } else { f64::NAN };
            }
            (Numbers::Ratio(_), Some(Measure::Real(_)))
            | (Numbers::Real(_), Some(Measure::Ratio(_))) => {
                panic!("the table checks a row's measures before it takes the row")
            }
        }
        self.count += usize::from(self.get(row).is_some());
    }

    pub(super) fn swap_remove(&mut self, row: usize) {
        self.set(row, None);
        match &mut self.numbers {
            Numbers::Ratio(ratios) => drop(ratios.swap_remove(row)),
            Numbers::Real(numbers) => drop(numbers.swap_remove(row)),
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<Measure> {
        match &self.numbers {
            Numbers::Ratio(ratios) => (ratios[row].total > 0).then(|| Measure::Ratio(ratios[row])),
            Numbers::Real(numbers) => (!numbers[row].is_nan()).then(|| Measure::Real(numbers[row])),
        }
    }
}

/// A read-only view of a column.
#[derive(Clone, Debug)]
pub(super) enum View<'t> {
    /// No row has a value.
    Absent,
    Values(&'t Values),
    /// Missing ones have a total of 0.
    Ratios(&'t [Ratio]),
    /// Missing ones are NaN.
    Numbers(&'t [f64]),
    /// Texts that differ from row to row; owned if they are formatted for this view only.
    Texts(Cow<'t, [Box<str>]>),
}

impl View<'_> {
    /// The number of a row; NaN if it is missing or not a number.
    pub(super) fn number(&self, row: usize) -> f64 {
        match self {
            Self::Ratios(ratios) => ratios[row].percent().unwrap_or(f64::NAN),
            Self::Numbers(numbers) => numbers[row],
            Self::Values(values) => match values.cell(row) {
                Cell::Number(number) => number,
                _ => f64::NAN,
            },
            Self::Absent | Self::Texts(_) => f64::NAN,
        }
    }

    /// The value of a row.
    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Absent => Cell::Missing,
            Self::Values(values) => values.cell(row),
            Self::Ratios(_) | Self::Numbers(_) => Cell::number(self.number(row)),
            Self::Texts(texts) => Cell::Text(&texts[row]),
        }
    }

    /// A code for each row, equal for equal values: only if values repeat.
    pub(super) fn codes(&self) -> Option<Cow<'_, [u32]>> {
        match self {
            Self::Values(values) => Some(Cow::Borrowed(&values.coded.codes)),
            Self::Texts(texts) => {
                let mut known = HashMap::new();
                let code = |text| {
                    let next = known.len() as u32;
                    *known.entry(text).or_insert(next)
                };
                Some(texts.iter().map(code).collect())
            }
            Self::Absent | Self::Ratios(_) | Self::Numbers(_) => None,
        }
    }

    /// The types of the values.
    pub(super) fn types(&self) -> Types {
        match self {
            Self::Absent => Types::NONE,
            Self::Values(values) => values.types(),
            Self::Ratios(_) | Self::Numbers(_) => Types::NUMBER,
            Self::Texts(_) => Types::TEXT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_used_again() {
        let mut column = Coded::missing(1);
        for value in ["a", "b", "a"] {
            column.push(Some(value));
        }
        assert_eq!(column.codes, [MISSING, 1, 2, 1]);
        column.set(2, Some("c"));
        assert_eq!(column.entries, [None, Some("a"), None, Some("c")], "b has no row");
        column.set(0, Some("d"));
        assert_eq!(column.entries, [None, Some("a"), Some("d"), Some("c")]);
        column.set(1, Some("a"));
        assert_eq!(column.codes, [2, 1, 3, 1], "an entry that stays keeps its code");
        column.swap_remove(0);
        assert_eq!(column.codes, [1, 1, 3]);
        assert_eq!((column.get(0), column.get(2)), (Some(&"a"), Some(&"c")));
        for _ in 0..3 {
            column.swap_remove(0);
        }
        assert!(column.is_empty());
    }

    #[test]
    fn what_is_not_finite_is_not_measured() {
        let info = super::super::metric::info("loss").expect("known");
        let mut losses = Measures::missing(0, info, MeasureKind::Real, false);
        losses.push(Some(Measure::Real(f64::NAN)));
        losses.push(Some(Measure::Real(f64::NEG_INFINITY)));
        assert!(losses.is_unused());
        losses.push(Some(Measure::Real(2.5)));
        assert_eq!(losses.get(2), Some(Measure::Real(2.5)));
        assert!(!losses.is_unused());
        losses.swap_remove(2);
        assert!(losses.is_unused() && losses.get(1).is_none());
    }
}
