//! The value of a setting.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
    ops::BitOr,
    sync::Arc,
};

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number; one that is not finite counts as missing in a table.
    Number(f64),
    /// A word from a list, or a name.
    Text(Arc<str>),
    /// On or off.
    Switch(bool),
}

impl From<shared::param::Value> for Value {
    fn from(value: shared::param::Value) -> Self {
        match value {
            shared::param::Value::Number(number) => Self::Number(number),
            shared::param::Value::Text(text) => Self::Text(text.into()),
            shared::param::Value::Switch(on) => Self::Switch(on),
        }
    }
}

impl From<Value> for shared::param::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number),
            Value::Text(text) => Self::Text(text.as_ref().into()),
            Value::Switch(on) => Self::Switch(on),
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(on: bool) -> Self {
        Self::Switch(on)
    }
}

/// Which types of value a column or a term of a filter can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    /// No value is known yet.
    pub const NONE: Self = Self(0);
    /// Numbers.
    pub const NUMBER: Self = Self(1);
    /// Texts.
    pub const TEXT: Self = Self(2);
    /// Switches.
    pub const SWITCH: Self = Self(4);

    /// Whether no value is known, or some value can have one of the `others`.
    pub fn may_be(self, others: Self) -> bool {
        self == Self::NONE || others == Self::NONE || self.0 & others.0 != 0
    }

    /// Their names for messages: `"a number"`, `"a text or a switch"`.
    pub fn describe(self) -> String {
        let names =
            [(Self::NUMBER, "a number"), (Self::TEXT, "a text"), (Self::SWITCH, "a switch")];
        let names: Vec<_> = names
            .into_iter()
            .filter(|(one, _)| self.0 & one.0 != 0)
            .map(|(_, name)| name)
            .collect();
        if names.is_empty() { "unknown".into() } else { names.join(" or ") }
    }
}

impl BitOr for Types {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A value that may be missing, borrowed from a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Number(f64),
    Text(&'a str),
    Switch(bool),
}

impl<'a> Cell<'a> {
    /// A number that is not finite is missing.
    pub(super) fn number(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Missing }
    }

    pub(super) fn of(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::number(*number),
            Value::Text(text) => Self::Text(text),
            Value::Switch(on) => Self::Switch(*on),
        }
    }

    pub(super) fn types(self) -> Types {
        match self {
            Self::Missing => Types::NONE,
            Self::Number(_) => Types::NUMBER,
            Self::Text(_) => Types::TEXT,
            Self::Switch(_) => Types::SWITCH,
        }
    }

    /// The order of two values of the same type; `None` if the types differ or one is missing.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(&b),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Switch(a), Self::Switch(b)) => Some(a.cmp(&b)),
            _ => None,
        }
    }

    /// The order in which a column is sorted: numbers, then texts, then switches, then missing
    /// values.
    pub(super) fn order(self, other: Self) -> Ordering {
        let rank = |cell| match cell {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::Switch(_) => 2,
            Self::Missing => 3,
        };
        self.compare(other).unwrap_or_else(|| rank(self).cmp(&rank(other)))
    }
}

/// A value as an entry of a dictionary: finite numbers only, and -0 is 0.
#[derive(Clone, Debug)]
pub(super) struct Entry(Value);

impl Entry {
    /// `None` for a number that is not finite.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) if !number.is_finite() => None,
            // Adding 0 turns -0 into 0.
            Value::Number(number) => Some(Self(Value::Number(number + 0.0))),
            other => Some(Self(other.clone())),
        }
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

// Without NaN, equality is reflexive.
impl Eq for Entry {}

impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Value::Number(number) => number.to_bits().hash(state),
            Value::Text(text) => text.hash(state),
            Value::Switch(on) => on.hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_first_and_what_is_missing_last() {
        let mut cells = [
            Cell::Missing,
            Cell::Switch(true),
            Cell::Text("b"),
            Cell::Number(2.0),
            Cell::Switch(false),
            Cell::Text("a"),
            Cell::Number(-1.0),
        ];
        cells.sort_by(|a, b| a.order(*b));
        let sorted = [
            Cell::Number(-1.0),
            Cell::Number(2.0),
            Cell::Text("a"),
            Cell::Text("b"),
            Cell::Switch(false),
            Cell::Switch(true),
            Cell::Missing,
        ];
        assert_eq!(cells, sorted);
    }

    #[test]
    fn zeros_are_one_entry_and_what_is_not_finite_is_none() {
        let entry = |number: f64| Entry::of(&number.into());
        assert_eq!(entry(0.0), entry(-0.0));
        assert_eq!(entry(-0.0).expect("finite").value(), &Value::Number(0.0));
        assert_eq!((entry(f64::NAN), entry(f64::INFINITY)), (None, None));
    }

    #[test]
    fn types_are_named() {
        assert_eq!((Types::TEXT | Types::SWITCH).describe(), "a text or a switch");
        assert!(Types::NONE.may_be(Types::TEXT) && !Types::NUMBER.may_be(Types::TEXT));
    }
}
