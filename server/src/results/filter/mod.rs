//! Filter expressions: the Common Expression Language (CEL) over the columns of a table.
//!
//! ```text
//! attack.trigger.ratio >= 0.3 && probe.poisons in [1, 3] && asr > 50
//!     && kind == "probe" && "my study" in studies
//! ```
//!
//! The crate `cel` parses; the tree is compiled and evaluated a column at a time, while cel's own
//! interpreter works row by row. The tests check that both agree.
//!
//! Supported: `==` `!=` `<` `<=` `>` `>=`, `in [...]`, `&&` `||` `!`, `? :` between
//! conditions, `+` `-` `*` `/` `%`, `startsWith`, `endsWith`, `contains`, `matches` (a regular
//! expression that may match anywhere in the text) and `has`. Anything else is refused with its
//! position in the text.
//!
//! Differences from CEL:
//!
//! * Numbers are one type, so `poisons > 0` and `poisons > 0.5` both work and `3 / 2` is 1.5.
//! * A comparison, an `in` or a text function on a missing value is false, and so is a missing
//!   switch; the negation with `!` is true. `has(x)` tests whether the run has `x`, whose name may
//!   be a single word.
//! * The result of a division by zero is missing.
//! * A comparison that no run could satisfy because the types differ is an error, as is an unknown
//!   name.

mod compile;
mod evaluate;
mod parse;
mod plan;

use std::ops::Range;

use thiserror::Error;

use super::{selection::Selection, table::Table};
use plan::Plan;

/// An expression that selects runs.
#[derive(Clone, Debug)]
pub struct Filter {
    plan: Plan,
}

impl Filter {
    /// Compiles an expression over the columns of a table. A filter stays valid while the table
    /// changes: removed columns count as missing.
    ///
    /// # Errors
    /// When it is not a valid expression, names an unknown column, or compares values that
    /// cannot be compared.
    pub fn new(expression: &str, table: &Table) -> Result<Self, FilterError> {
        let parsed = parse::parse(expression)?;
        compile::compile(&parsed, table).map(|plan| Self { plan })
    }

    /// The runs for which the expression is true, in the order of creation. Takes time proportional
    /// to the number of rows and of terms in the expression.
    pub fn select<'t>(&self, table: &'t Table) -> Selection<'t> {
        let chosen = evaluate::evaluate(&self.plan, table);
        let order = table.order().iter().copied();
        Selection::new(table, order.filter(|&place| chosen[place as usize]).collect())
    }
}

/// Why and where an expression is refused, and how to correct it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} (character {column})")]
pub struct FilterError {
    /// What is wrong, and how to correct it if that is known.
    pub message: String,
    /// The byte range of the part that is wrong; empty at the end if something is missing there.
    pub span: Range<usize>,
    /// The first character of that part, counted from 1.
    pub column: usize,
}

impl FilterError {
    /// An error at a byte range of an expression.
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
