//! The use cases: what a page, a request and a command can do, and what every part of the program shares.
//!
//! | module | holds |
//! |---|---|
//! | [`studies`] | a study from its specification; cancel, retry, delete |
//! | `plan` | what a study would run, and what of it is there |
//! | [`datasets`], [`keys`], [`checkpoints`] | data sets, key images and imported checkpoints that a study can name |
//! | [`evaluations`] | a classifier evaluated under a trigger, beside what its run says |
//! | [`reconstructions`] | what a checkpoint makes of hidden patches |
//! | [`catalog`], `recent` | lists of images, and models, kept in memory |
//! | [`results`] | runs filtered, sorted and grouped by any setting and metric |
//! | [`handle`] | the scheduler's door: wake it, ask whether it works here and on what |

pub mod catalog;
pub mod checkpoints;
pub mod datasets;
pub mod evaluations;
pub mod handle;
pub mod keys;
mod plan;
mod recent;
pub mod reconstructions;
pub mod results;
pub mod studies;

use std::path::Path;

use crate::{
    clock::Clock,
    data_dir::{DataDir, DataDirError},
    ids::IdSource,
    store::{Store, StoreError},
};

/// Store, folder, time, chance and queue of one data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The data folder.
    pub data_dir: DataDir,
    /// The time.
    pub clock: Clock,
    /// New identifiers.
    pub ids: IdSource,
    /// The scheduler's door: wake it, ask whether it works here.
    pub queue: handle::Handle,
}

/// A data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database in it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Threads that train here.
    pub fn threads(&self) -> u32 {
        engine::compute::Machine::from_environment().map_or(1, |machine| machine.threads() as u32)
    }

    /// Opens a data folder. Nothing is scheduled until [`Scheduler::start`](crate::queue::Scheduler::start).
    ///
    /// # Errors
    /// When the folder cannot be written, or its database cannot be opened.
    pub async fn open(root: &Path, clock: Clock, ids: IdSource) -> Result<Self, OpenError> {
        let data_dir = DataDir::open(root)?;
        let store = Store::open(&data_dir.store_file()).await?;
        Ok(Self { store, data_dir, clock, ids, queue: handle::Handle::default() })
    }
}
