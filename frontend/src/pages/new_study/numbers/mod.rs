//! Every number of the form: its range as `StudySpec::validate` has it, and why it matters.

mod attack;
mod fields;
mod finetune;
mod recipe;
#[cfg(test)]
mod tests;
mod trigger;

pub use attack::{PATCH, RATIO};
pub use finetune::FINETUNE;
pub use recipe::{MODEL, PRETRAIN, PROBE};
pub use trigger::trigger_numbers;
