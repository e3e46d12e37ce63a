//! The columns as a reader wants them: rounded, with the interval beside the number.

use shared::day::day;

use super::{
    Export,
    columns::{Class, Head, Item},
};

/// What stands in a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The text or the number; empty if it is missing.
    pub main: String,
    /// What follows the number.
    pub beside: Option<Beside>,
}

/// What follows a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// The ends of an interval.
    Interval(String, String),
    /// Half of an interval around the number.
    Half(String),
}

impl Class {
    /// Whether its items are numbers, which align at the right.
    pub(super) fn is_number(self) -> bool {
        !matches!(self, Self::Text | Self::Switch)
    }
}

impl Head<'_> {
    /// The title, with the unit in parentheses.
    pub(super) fn heading(&self) -> String {
        if self.unit.is_empty() {
            self.title.clone()
        } else {
            format!("{} ({})", self.title, self.unit)
        }
    }

    /// A row's cell.
    pub(super) fn words(&self, row: usize) -> Words {
        let number = |number: f64| match self.digits {
            Some(digits) => format!("{number:.digits$}"),
            None => number.to_string(),
        };
        let main = |main: String| Words { main, beside: None };
        match self.item(row) {
            Item::Missing => Words::default(),
            Item::Text(text) => main(text.into_owned()),
            Item::Switch(on) => main(if on { "yes" } else { "no" }.into()),
            Item::Number(value) => main(number(value)),
            Item::Whole(value) => main(value.to_string()),
            Item::Time(at) => main(day(at)),
            Item::Ratio(ratio) => Words {
                main: ratio.percent().map(number).unwrap_or_default(),
                beside: ratio.wilson95().map(|interval| {
                    Beside::Interval(number(100.0 * interval.low), number(100.0 * interval.high))
                }),
            },
            Item::Mean(spread) => Words {
                main: number(spread.mean),
                beside: spread
                    .interval95()
                    .map(|interval| Beside::Half(number((interval.high - interval.low) / 2.0))),
            },
        }
    }
}

impl Export<'_> {
    /// The cells of a row.
    pub(super) fn cells(&self, row: usize) -> impl Iterator<Item = (Class, Words)> {
        self.heads.iter().map(move |head| (head.class, head.words(row)))
    }
}
