//! The columns as plain values: a ratio or a mean becomes several fields, `asr`, `asr.low` and so on.

use std::borrow::Cow;

use super::{
    Export,
    columns::{Class, Head, Item},
};

/// A field: a column, or a part of it.
#[derive(Clone, Debug)]
pub(super) struct Field<'e> {
    /// The column's name, with the part's name behind a point.
    pub name: String,
    /// The unit; may be empty.
    pub unit: &'e str,
    pub kind: Kind,
    head: &'e Head<'e>,
    part: Part,
}

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Switch,
    Number,
    Whole,
    /// Unix milliseconds.
    Time,
}

/// A value of a field; of its kind, or missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Missing,
    Text(Cow<'a, str>),
    Switch(bool),
    Number(f64),
    /// A whole number, or a time in Unix milliseconds.
    Whole(i64),
}

/// A part of a column; shares and their intervals are in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The value, the share, or the mean.
    Value,
    Hits,
    Total,
    /// Sample standard deviation.
    Deviation,
    /// Lower end of the 95 % interval.
    Low,
    /// Upper end.
    High,
    /// Number of runs in the mean.
    Runs,
}

const RATIO: [Part; 5] = [Part::Value, Part::Hits, Part::Total, Part::Low, Part::High];
const MEAN: [Part; 5] = [Part::Value, Part::Deviation, Part::Low, Part::High, Part::Runs];

impl Class {
    fn parts(self) -> &'static [Part] {
        match self {
            Self::Ratio => &RATIO,
            Self::Mean => &MEAN,
            _ => &[Part::Value],
        }
    }

    fn kind(self, part: Part) -> Kind {
        match (self, part) {
            (_, Part::Hits | Part::Total | Part::Runs) | (Self::Whole, _) => Kind::Whole,
            (Self::Text, _) => Kind::Text,
            (Self::Switch, _) => Kind::Switch,
            (Self::Time, _) => Kind::Time,
            (Self::Number | Self::Ratio | Self::Mean, _) => Kind::Number,
        }
    }
}

impl Part {
    fn suffix(self) -> &'static str {
        match self {
            Self::Value => "",
            Self::Hits => ".hits",
            Self::Total => ".total",
            Self::Deviation => ".deviation",
            Self::Low => ".low",
            Self::High => ".high",
            Self::Runs => ".n",
        }
    }
}

impl Export<'_> {
    /// All fields, in order.
    pub(super) fn fields(&self) -> Vec<Field<'_>> {
        let field = |head, part: Part| {
            let Head { name, unit, class, .. }: &Head<'_> = head;
            let kind = class.kind(part);
            let counted = matches!(part, Part::Hits | Part::Total | Part::Runs);
            let unit = if counted { "" } else { unit.as_str() };
            Field { name: format!("{name}{}", part.suffix()), unit, kind, head, part }
        };
        let heads = self.heads.iter();
        heads
            .flat_map(|head| head.class.parts().iter().map(move |&part| field(head, part)))
            .collect()
    }
}

impl Field<'_> {
    /// The value in a row.
    pub(super) fn value(&self, row: usize) -> Scalar<'_> {
        let number = |number: Option<f64>| number.map_or(Scalar::Missing, Scalar::Number);
        match self.head.item(row) {
            Item::Missing => Scalar::Missing,
            Item::Text(text) => Scalar::Text(text),
            Item::Switch(on) => Scalar::Switch(on),
            Item::Number(value) => Scalar::Number(value),
            Item::Whole(value) => Scalar::Whole(value),
            Item::Time(at) => Scalar::Whole(at as i64),
            Item::Ratio(ratio) => match self.part {
                Part::Hits => Scalar::Whole(ratio.hits.into()),
                Part::Total => Scalar::Whole(ratio.total.into()),
                Part::Low => number(ratio.wilson95().map(|interval| 100.0 * interval.low)),
                Part::High => number(ratio.wilson95().map(|interval| 100.0 * interval.high)),
                _ => number(ratio.percent()),
            },
            Item::Mean(spread) => match self.part {
                Part::Deviation => Scalar::Number(spread.deviation),
                Part::Low => number(spread.interval95().map(|interval| interval.low)),
                Part::High => number(spread.interval95().map(|interval| interval.high)),
                Part::Runs => Scalar::Whole(spread.n.into()),
                _ => Scalar::Number(spread.mean),
            },
        }
    }
}
