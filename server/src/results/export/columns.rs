//! The columns of a table, in order, and what they hold.

use std::{borrow::Cow, rc::Rc, sync::Arc};

use shared::{Ratio, metric::Spread};

use crate::results::{
    Study, Value,
    column::{Coded, View},
    value::Cell,
};

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Head<'t> {
    /// The name that expressions use.
    pub name: String,
    /// The title for readers.
    pub title: String,
    /// The unit; may be empty.
    pub unit: String,
    /// Decimals for readers; `None` shows a number as it is.
    pub digits: Option<usize>,
    pub class: Class,
    pub values: Values<'t>,
}

/// What all items of a column are, unless they are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Text,
    Switch,
    Number,
    /// A whole number.
    Whole,
    /// Unix milliseconds.
    Time,
    /// Counts; for readers in percent with Wilson's 95 % interval.
    Ratio,
    /// A mean over runs, with Student's 95 % interval.
    Mean,
}

/// Where a column's items are.
#[derive(Clone, Debug)]
pub(super) enum Values<'t> {
    /// In the table of all runs, at the place of each row.
    View { view: View<'t>, places: Rc<[u32]> },
    /// The studies of the run at each place.
    Studies { studies: &'t Coded<Arc<[Study]>>, places: Rc<[u32]> },
    /// The value of each group.
    Keys(Vec<Option<Value>>),
    /// The number of runs of each group.
    Counts(Vec<u32>),
    /// The spread of each group.
    Means(Vec<Option<Spread>>),
}

/// What stands in a row of a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Missing,
    Text(Cow<'a, str>),
    Switch(bool),
    Number(f64),
    Whole(i64),
    Time(u64),
    Ratio(Ratio),
    Mean(Spread),
}

impl Head<'_> {
    /// The item of a row.
    pub(super) fn item(&self, row: usize) -> Item<'_> {
        match &self.values {
            Values::View { view, places } => {
                let place = places[row] as usize;
                match view {
                    View::Ratios(ratios) if ratios[place].total > 0 => Item::Ratio(ratios[place]),
                    View::Ratios(_) => Item::Missing,
                    view => self.of_cell(view.cell(place)),
                }
            }
            Values::Studies { studies, places } => {
                studies.get(places[row] as usize).map_or(Item::Missing, |studies| {
                    let names: Vec<_> = studies.iter().map(|study| study.name.as_ref()).collect();
                    Item::Text(names.join("; ").into())
                })
            }
            Values::Keys(keys) => self.of_cell(keys[row].as_ref().map_or(Cell::Missing, Cell::of)),
            Values::Counts(counts) => Item::Whole(counts[row].into()),
            Values::Means(means) => means[row].map_or(Item::Missing, Item::Mean),
        }
    }

    /// A value as the column's class wants it: in a column of mixed values everything is text.
    fn of_cell<'a>(&self, cell: Cell<'a>) -> Item<'a> {
        match (self.class, cell) {
            (_, Cell::Missing) => Item::Missing,
            (Class::Text, Cell::Number(number)) => Item::Text(number.to_string().into()),
            (Class::Text, Cell::Switch(on)) => Item::Text(on.to_string().into()),
            (_, Cell::Text(text)) => Item::Text(text.into()),
            (_, Cell::Switch(on)) => Item::Switch(on),
            (Class::Whole, Cell::Number(number)) => Item::Whole(number as i64),
            (Class::Time, Cell::Number(number)) => Item::Time(number as u64),
            (_, Cell::Number(number)) => Item::Number(number),
        }
    }
}
