//! The queue: queued runs to workers, and what they write into the store.
//!
//! | module | holds |
//! |---|---|
//! | [`scheduler`] | follows running runs, marks interrupted ones, hands out queued ones (`hand_out.rs`) |
//! | [`executor`] | what starts, watches and ends workers; processes of this machine |
//! | [`ingest`] | a run folder's event lines -> store, each exactly once |
//!
//! A worker is a process of its own that outlives this one. It only writes into its run folder; the program that holds
//! the scheduler's lock only follows those files. All that is known of a run stands in the store, so a new scheduler goes
//! on where an old one was killed.

pub mod executor;
mod hand_out;
pub mod ingest;
pub mod scheduler;

pub use scheduler::{Scheduler, Settings};
