//! The only SQL of the program.
//!
//! | module | holds |
//! |---|---|
//! | [`studies`] | studies: insert, list, get, delete |
//! | [`runs`] | runs: list, get; the table's filters and orders |
//! | [`queue`] | what trains, what is next; hand out, end, cancel, queue again |
//! | `state` | how the state of a run changes |
//! | [`events`] | events: take in exactly once, read by run, read as one stream |
//! | [`compare`] | finished classifiers for the figures |
//! | [`checkpoints`], [`imports`] | checkpoints that runs have written, imported ones |
//! | [`datasets`], [`keys`] | added data sets, uploaded key images |
//! | `fill` | many realistic rows for measurements |

pub mod checkpoints;
pub mod compare;
pub mod datasets;
mod error;
pub mod events;
mod fill;
pub mod imports;
pub mod keys;
mod open;
pub mod queue;
mod row;
pub mod runs;
mod state;
pub mod studies;

pub use error::StoreError;
pub use open::Store;
