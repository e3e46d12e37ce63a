//! Runs on their way from the queue to the store.
//!
//! | module | holds |
//! |---|---|
//! | [`studies`] | a study from its specification; cancel, retry, delete |
//! | `plan` | what a study would run, and what of it is there |
//! | [`datasets`], [`keys`], [`checkpoints`] | data sets, key images and imported checkpoints that a study can name |
//! | [`evaluations`] | a classifier evaluated under a trigger, beside what its run told |
//! | [`reconstructions`] | what a checkpoint makes of hidden patches |
//! | [`catalog`], `recent` | lists of images, and models, kept in memory |
//! | [`results`] | runs filtered, sorted and grouped by any setting and metric |
//! | [`run_folder`] | what lies in a run's folder |
//! | [`ingest`] | a run folder's event lines -> store, each exactly once |
//! | [`executor`] | what starts, watches and ends workers; processes of this machine |
//! | [`scheduler`] | follows running runs, marks interrupted ones, hands out queued ones (`hand_out.rs`) |
//! | [`handle`] | the scheduler's door for the rest of the program |
//!
//! A worker is a process of its own that outlives this one. It only writes into its run folder; the program that holds
//! the scheduler's lock only follows those files. All that is known of a run stands in the store, so a new scheduler goes
//! on where an old one was killed.

pub mod catalog;
pub mod checkpoints;
pub mod datasets;
pub mod evaluations;
pub mod executor;
mod hand_out;
pub mod handle;
pub mod ingest;
pub mod keys;
mod plan;
mod recent;
pub mod reconstructions;
pub mod results;
pub mod run_folder;
pub mod scheduler;
pub mod studies;

pub use handle::Handle;
pub use scheduler::{Scheduler, Settings};
