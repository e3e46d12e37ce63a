//! The queue: hands queued runs to workers, and takes their events into the store.
//!
//! | module | holds |
//! |---|---|
//! | [`scheduler`] | follows running runs, marks interrupted ones, starts queued ones (`hand_out.rs`) |
//! | [`executor`] | starts, watches and ends workers; processes of this machine |
//! | [`ingest`] | takes the event lines of a run folder into the store, each exactly once |
//!
//! A worker is a separate process that outlives this one. It only writes to its run folder; the program that holds the
//! scheduler's lock only follows those files. Everything known about a run is in the store, so a new scheduler continues
//! where an old one was killed.

pub mod executor;
mod hand_out;
pub mod ingest;
pub mod scheduler;

pub use scheduler::{Lost, Scheduler, Settings, lock};
