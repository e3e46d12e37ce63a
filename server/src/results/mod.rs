//! Every run's settings and metrics as columns in memory: filtered, grouped and sorted without SQL.
//!
//! | module | holds |
//! |---|---|
//! | [`row`] | [`Row`]: a run as it goes into a table and comes out |
//! | [`table`] | [`Table`]: rows stay in it as columns |
//! | [`column`](mod@column) | [`Column`]: which column a name stands for; how columns are kept |
//! | [`value`], [`metric`] | what a setting and a metric is |
//! | [`filter`] | [`Filter`]: an expression in CEL, evaluated over columns |
//! | [`selection`] | [`Selection`]: the runs that a filter chose, their order and their pages |
//! | [`group`] | runs that agree in some settings as one line: mean, deviation, interval |
//!
//! Nothing here reads a file, a clock or a socket; whoever holds the table keeps it up to date.

pub mod column;
pub mod filter;
pub mod group;
pub mod metric;
mod nearest;
pub mod row;
#[cfg(test)]
mod samples;
pub mod selection;
pub mod table;
pub mod value;

pub use column::{Column, UnknownName};
pub use filter::{Filter, FilterError};
pub use group::{Group, Groups};
pub use metric::{Direction, Info, Measure, Metric};
pub use row::{Row, RowError, Study};
pub use selection::{Selection, SortKey};
pub use table::Table;
pub use value::{Types, Value};
