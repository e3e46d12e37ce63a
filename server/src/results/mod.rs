//! All runs' settings and metrics as columns in memory, filtered, grouped and sorted without SQL.
//!
//! | module | holds |
//! |---|---|
//! | [`row`] | [`Row`]: a run as it is inserted into and read from a table |
//! | [`table`] | [`Table`]: stores rows as columns |
//! | [`column`](mod@column) | [`Column`]: resolves names to columns; how columns are stored |
//! | [`value`], [`metric`] | values of settings, and metrics |
//! | [`filter`] | [`Filter`]: an expression in CEL, evaluated over columns |
//! | [`selection`] | [`Selection`]: the runs that a filter selected, sorted and paged |
//! | [`describe`] | what columns are called and hold |
//! | [`plot`], [`matrix`] | the numbers of a plot; of a matrix of attacks and defences |
//! | [`group`] | runs with equal values of some settings: mean, deviation, interval |
//! | [`export`] | selected runs, or groups of them, as files |
//!
//! Nothing here reads a file, a clock or a socket; the owner of the table keeps it up to date.

pub mod column;
pub mod describe;
pub mod export;
pub mod filter;
pub mod group;
pub mod matrix;
pub mod metric;
mod nearest;
pub mod plot;
pub mod row;
#[cfg(test)]
mod samples;
pub mod selection;
pub mod table;
pub mod value;

pub use column::{Column, UnknownName};
pub use export::{Export, ExportError, Format};
pub use filter::{Filter, FilterError};
pub use group::{Group, Groups};
pub use metric::{Direction, Info, Measure, Metric};
pub use row::{Row, RowError, Study};
pub use selection::{Selection, SortKey};
pub use table::Table;
pub use value::{Types, Value};
