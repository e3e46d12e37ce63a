//! Filter expressions: the Common Expression Language (CEL) over the columns of a table.
//!
//! ```text
//! attack.trigger.ratio >= 0.3 && probe.poisons in [1, 3] && asr > 50
//!     && kind == "probe" && "my study" in studies
//! ```
//!
//! The crate `cel` parses; what it parsed is compiled and evaluated a column at a time, where cel's
//! own interpreter would go row by row. The tests hold both to the same answers.
//!
//! What is understood: `==` `!=` `<` `<=` `>` `>=`, `in [...]`, `&&` `||` `!`, `? :` between
//! conditions, `+` `-` `*` `/` `%`, `startsWith`, `endsWith`, `contains`, `matches` (a regular
//! expression that is found anywhere in the text) and `has`. Anything else is refused with its
//! place in the text.
//!
//! Where it differs from CEL:
//!
//! * Numbers are one type, so `poisons > 0` and `poisons > 0.5` both work and `3 / 2` is 1.5.
//! * A comparison, an `in` or a text function on a value that a run lacks is false, and so is a
//!   switch that it lacks; `!` of it is true. `has(x)` asks whether the run has `x`, whose name may
//!   be a single word.
//! * What divides by zero is missing.
//! * A comparison that no run could satisfy because the types differ is an error, as is a name that
//!   no column has.

mod compile;
mod evaluate;
mod parse;
mod plan;

use std::ops::Range;

use thiserror::Error;

use super::{selection::Selection, table::Table};
use plan::Plan;

/// An expression that chooses runs.
#[derive(Clone, Debug)]
pub struct Filter {
    plan: Plan,
}

impl Filter {
    /// Understands an expression over the columns of a table. A filter stays valid while the table
    /// changes: columns that go count as missing.
    ///
    /// # Errors
    /// When it is no expression, names a column that is not there, or compares what cannot
    /// be compared.
    pub fn new(expression: &str, table: &Table) -> Result<Self, FilterError> {
        let parsed = parse::parse(expression)?;
        compile::compile(&parsed, table).map(|plan| Self { plan })
    }

    /// The runs for which the expression is true, in the order in which they were made. Takes time
    /// in proportion to the rows and to the terms of the expression.
    pub fn select<'t>(&self, table: &'t Table) -> Selection<'t> {
        let chosen = evaluate::evaluate(&self.plan, table);
        let order = table.order().iter().copied();
        Selection::new(table, order.filter(|&place| chosen[place as usize]).collect())
    }
}

/// Why an expression is refused, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (character {column})")]
pub struct FilterError {
    /// What is wrong, and what would be right where that can be known.
    pub message: String,
    /// The part of the expression, in bytes; empty at its end when something is left out.
    pub span: Range<usize>,
    /// The first character of that part, counted from 1.
    pub column: usize,
}

impl FilterError {
    /// An error at a part of an expression, in bytes.
    fn new(expression: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = expression.floor_char_boundary(span.start);
        let end = expression.ceil_char_boundary(span.end.min(expression.len())).max(start);
        let column = expression[..start].chars().count() + 1;
        Self { message: message.into(), span: start..end, column }
    }
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;
