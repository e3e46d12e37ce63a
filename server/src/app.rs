//! What every part of the program shares.

use std::path::Path;

use crate::{
    clock::Clock,
    data_dir::{DataDir, DataDirError},
    ids::IdSource,
    jobs,
    store::{Store, StoreError},
};

/// Store, folder, time, chance and jobs of one data folder. Cheap to clone.
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
    pub jobs: jobs::Handle,
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

    /// Opens a data folder. Nothing is scheduled until [`jobs::Scheduler::start`].
    ///
    /// # Errors
    /// When the folder cannot be written, or its database cannot be opened.
    pub async fn open(root: &Path, clock: Clock, ids: IdSource) -> Result<Self, OpenError> {
        let data_dir = DataDir::open(root)?;
        let store = Store::open(&data_dir.store_file()).await?;
        Ok(Self { store, data_dir, clock, ids, jobs: jobs::Handle::default() })
    }
}
