//! The compiled form of an expression.

use std::sync::Arc;

use regex::Regex;

use crate::results::{
    column::Column,
    value::{Cell, Types, Value},
};

/// A condition over columns.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The columns, each once; terms refer to them by index.
    pub(super) columns: Vec<Column>,
    pub(super) test: Test,
}

/// A condition that is true or false for a row.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Constant(bool),
    All(Box<[Test; 2]>),
    Any(Box<[Test; 2]>),
    Not(Box<Test>),
    /// The second if the first holds, otherwise the third.
    Choice(Box<[Test; 3]>),
    /// One of a row's studies has this name or identifier.
    OfStudy(Arc<str>),
    Leaf(Leaf),
}

/// A condition that depends directly on a row's values.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    Compare {
        relation: Relation,
        left: Term,
        right: Term,
    },
    /// The term is one of these.
    Among {
        term: Term,
        values: Vec<Value>,
    },
    Text {
        test: TextTest,
        term: Term,
    },
    Has {
        column: usize,
    },
    /// A switch that is on.
    On {
        column: usize,
    },
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A test on a text.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Matches(Regex),
}

/// A term, which has a value for each row.
#[derive(Clone, Debug)]
pub(super) enum Term {
    Constant(Value),
    Column(usize),
    Arithmetic { operation: Operation, left: Box<Term>, right: Box<Term> },
}

/// An arithmetic operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operation {
    pub(super) fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => a % b,
        }
    }
}

impl Relation {
    /// Whether two values compare this way; false if one is missing. Values of different types are
    /// unequal and have no order.
    pub(super) fn holds(self, left: Cell<'_>, right: Cell<'_>) -> bool {
        if left == Cell::Missing || right == Cell::Missing {
            return false;
        }
        match (self, left.compare(right)) {
            (Self::Unequal, order) => order != Some(std::cmp::Ordering::Equal),
            (_, None) => false,
            (Self::Equal, Some(order)) => order.is_eq(),
            (Self::Less, Some(order)) => order.is_lt(),
            (Self::LessOrEqual, Some(order)) => order.is_le(),
            (Self::Greater, Some(order)) => order.is_gt(),
            (Self::GreaterOrEqual, Some(order)) => order.is_ge(),
        }
    }
}

impl TextTest {
    pub(super) fn holds(&self, text: &str) -> bool {
        match self {
            Self::StartsWith(start) => text.starts_with(start.as_str()),
            Self::EndsWith(end) => text.ends_with(end.as_str()),
            Self::Contains(part) => text.contains(part.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

impl Term {
    /// Its value, given each column's value.
    pub(super) fn cell<'c>(&'c self, of: &impl Fn(usize) -> Cell<'c>) -> Cell<'c> {
        match self {
            Self::Constant(value) => Cell::of(value),
            Self::Column(column) => of(*column),
            Self::Arithmetic { operation, left, right } => match (left.cell(of), right.cell(of)) {
                (Cell::Number(a), Cell::Number(b)) => Cell::number(operation.apply(a, b)),
                _ => Cell::Missing,
            },
        }
    }

    /// Its types, given each column's types.
    pub(super) fn types(&self, of: &impl Fn(usize) -> Types) -> Types {
        match self {
            Self::Constant(value) => Cell::of(value).types(),
            Self::Column(column) => of(*column),
            Self::Arithmetic { .. } => Types::NUMBER,
        }
    }

    fn visit(&self, column: &mut impl FnMut(usize)) {
        match self {
            Self::Constant(_) => {}
            Self::Column(at) => column(*at),
            Self::Arithmetic { left, right, .. } => {
                left.visit(column);
                right.visit(column);
            }
        }
    }
}

impl Leaf {
    /// Whether it is true, given each column's value.
    pub(super) fn holds<'c>(&'c self, of: &impl Fn(usize) -> Cell<'c>) -> bool {
        match self {
            Self::Compare { relation, left, right } => {
                relation.holds(left.cell(of), right.cell(of))
            }
            Self::Among { term, values } => {
                let cell = term.cell(of);
                values.iter().any(|value| Relation::Equal.holds(cell, Cell::of(value)))
            }
            Self::Text { test, term } => match term.cell(of) {
                Cell::Text(text) => test.holds(text),
                _ => false,
            },
            Self::Has { column } => of(*column) != Cell::Missing,
            Self::On { column } => of(*column) == Cell::Switch(true),
        }
    }

    /// The only column that it depends on; `None` if there are none or several.
    pub(super) fn only_column(&self) -> Option<usize> {
        let mut columns = Vec::new();
        let mut visit = |at| {
            if !columns.contains(&at) {
                columns.push(at);
            }
        };
        match self {
            Self::Compare { left, right, .. } => {
                left.visit(&mut visit);
                right.visit(&mut visit);
            }
            Self::Among { term, .. } | Self::Text { term, .. } => term.visit(&mut visit),
            Self::Has { column } | Self::On { column } => visit(*column),
        }
        match columns[..] {
            [column] => Some(column),
            _ => None,
        }
    }
}
