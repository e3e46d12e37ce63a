//! The only SQL of the program.
//!
//! | module | holds |
//! |---|---|
//! | [`studies`] | studies: insert, list, get, delete |
//! | [`runs`] | runs: list, get; the table's filters and orders |
//! | [`queue`] | what trains, what is next; start, end, cancel, queue again |
//! | `deletions` | deleted studies that can still be restored |
//! | `waiting` | the order of what waits, and what of it does not start |
//! | `state` | changes of a run's state |
//! | [`events`] | events: take in exactly once, read by run, read as one stream |
//! | [`compare`] | finished classifiers for the figures |
//! | [`results`] | the table of all runs in memory |
//! | [`checkpoints`], [`imports`] | checkpoints written by runs, imported checkpoints |
//! | [`check`] | what `maskdoor doctor` asks, and runs that only the data folder has |
//! | `access` | tokens and sessions |
//! | `removals` | files that are to be removed |
//! | [`tidied`] | finished runs whose checkpoints nothing needs any more |
//! | [`snapshot`] | a copy of a database in use |
//! | `version` | versions of tables and programs; the copy before an upgrade |
//! | `upgrade` | fills in data that version 0.1 did not store |
//! | [`datasets`], [`keys`], [`pictures`] | added data sets, uploaded key images, own pictures |

mod access;
pub mod check;
pub mod checkpoints;
pub mod compare;
pub mod datasets;
mod deletions;
mod error;
pub mod events;
pub mod imports;
pub mod keys;
mod open;
pub mod pictures;
mod place;
pub mod queue;
mod removals;
pub mod results;
mod row;
pub mod runs;
mod shelf;
pub mod snapshot;
pub mod speeds;
mod state;
pub mod studies;
pub mod tidied;
mod upgrade;
mod version;
mod waiting;
mod writer;

pub use error::StoreError;
pub use open::Store;
