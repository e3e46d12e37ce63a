//! Every number of the form: its range as `StudySpec::validate` has it, and why it matters.

mod attack;
mod recipe;
#[cfg(test)]
mod tests;

pub use attack::{PATCH, RATIO};
pub use recipe::{MODEL, PRETRAIN, PROBE};
