//! Removes the files of what was deleted from the store.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use engine::files::{parent, sync};

use super::checkpoints::IMPORT_LOCK;
use crate::{
    app::App,
    data_dir::DataDir,
    store::{Store, StoreError},
};

/// Files of something that was deleted stay.
#[derive(Debug, thiserror::Error)]
pub enum LeftOver {
    /// They cannot be removed.
    #[error("{path}: {source}")]
    File {
        /// The first of them.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Removes files and folders as [`remove_listed`] does.
    ///
    /// # Errors
    /// As there.
    pub async fn remove_files(&self, paths: Vec<String>) -> Result<(), LeftOver> {
        remove_listed(&self.store, &self.data_dir, paths).await
    }
}

/// Removes files and folders that the store has noted as to be removed, and takes them off its list. What cannot be removed stays on the
/// list, and so does everything while a backup is made: it may still copy them.
///
/// # Errors
/// The first one that keeps something from being removed; the others are removed nevertheless.
pub async fn remove_listed(
    store: &Store,
    data_dir: &DataDir,
    paths: Vec<String>,
) -> Result<(), LeftOver> {
    // What has come back under its name meanwhile is not on the list any more.
    let listed = store.removals().await?;
    let paths: Vec<String> = paths.into_iter().filter(|path| listed.contains(path)).collect();
    if paths.is_empty() {
        return Ok(());
    }
    let data_dir = data_dir.clone();
    let removed = tokio::task::spawn_blocking(move || {
        let (mut gone, mut first) = (Vec::new(), None);
        // A backup that begins now waits until the files are gone. Where files have no locks, they are removed all the same.
        let lock = data_dir.backup_lock().ok();
        if lock.as_ref().is_some_and(is_held) {
            return (gone, first);
        }
        for path in paths {
            // An import takes the place of what was deleted; it takes the path off the list.
            if is_being_imported(&data_dir.folder(&path)) {
                continue;
            }
            match remove(&data_dir.folder(&path)) {
                Ok(()) => gone.push(path),
                Err(source) => {
                    first.get_or_insert(LeftOver::File { path, source });
                }
            }
        }
        (gone, first)
    });
    let (gone, first) = removed
        .await
        .map_err(|error| LeftOver::File { path: String::new(), source: io::Error::other(error) })?;
    if !gone.is_empty() {
        store.removed(&gone).await?;
    }
    first.map_or(Ok(()), Err)
}

/// Whether a backup of the data folder is being made.
pub(crate) fn is_backed_up(data_dir: &DataDir) -> bool {
    data_dir.backup_lock().is_ok_and(|lock| is_held(&lock))
}

/// Tries to take a lock, and says whether somebody else holds it.
fn is_held(lock: &File) -> bool {
    matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether an import into this folder is going on.
pub(crate) fn is_being_imported(folder: &Path) -> bool {
    let lock = File::open(folder.join(IMPORT_LOCK));
    lock.is_ok_and(|lock| is_held(&lock))
}

/// Removes a file, or a folder with everything in it, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Who takes it off the list must not see it again after a power cut.
        removed => removed.and_then(|()| sync(parent(path))),
    }
}
