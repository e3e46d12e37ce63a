//! Backups: a copy of a data folder that programs may be using, as one file, and a data folder made from it.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@take`] | makes a backup |
//! | [`cut`] | which files it takes, and up to where |
//! | [`archive`] | its format: a tar file under zstd, with the hash of every file |
//! | [`mod@restore`] | makes a data folder from it |
//!
//! The database is copied first, as it is at one moment, and then the files that it names. Everything that a run says in its events is in
//! its folder before, so files that are copied later hold all that the database knows of them, and events beyond it are taken in when
//! the backup is restored. A file that the database names is not removed meanwhile: [`DataDir::backup_lock`] is held.
//!
//! [`DataDir::backup_lock`]: crate::data_dir::DataDir::backup_lock

pub mod archive;
pub mod cut;
pub mod restore;
pub mod take;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use self::{restore::restore, take::take};
use crate::{data_dir::DataDirError, store::StoreError, terminal};

/// A backup cannot be made or restored. Nothing of it is kept then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Its database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The place of the backup or of the new data folder.
    #[error("{path} {problem}")]
    Place {
        /// The place.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// The disk has too little room.
    #[error("{what} takes up to {}, and {path} has {} free", terminal::bytes(*needed), terminal::bytes(*free))]
    Space {
        /// What takes it.
        what: &'static str,
        /// The folder on that disk.
        path: PathBuf,
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A file became shorter while it was copied.
    #[error("{0} became shorter while it was copied; make the backup again")]
    Changed(PathBuf),
    /// The file is not a backup, or not whole.
    #[error("{path} cannot be restored: {reason}")]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The work was stopped.
    #[error("it was stopped; nothing of it is kept")]
    Stopped,
    /// The program itself failed.
    #[error("the program failed: {0}")]
    Internal(String),
}

impl BackupError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Runs long work on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| BackupError::Internal(error.to_string()))?
}
