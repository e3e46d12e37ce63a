//! What killed programs left behind.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use engine::files::{LAST_CHECKPOINT, is_left_over, parent, sync};

use super::{
    checkpoints::IMPORT_LOCK,
    removals::{LeftOver, remove},
};
use crate::{app::App, data_dir::DataDir};

impl App {
    /// Finishes what a killed program left undone: removes the files of what was deleted, files with temporary names that nobody writes,
    /// and the folders of imports that wrote no checkpoint. Returns what was removed, below the data folder.
    ///
    /// # Errors
    /// When the store fails, or the first thing that cannot be removed; the others are removed nevertheless.
    pub async fn tidy(&self) -> Result<Vec<String>, LeftOver> {
        let mut removed = self.store.removals().await?;
        self.remove_files(removed.clone()).await?;
        let (data_dir, since) = (self.data_dir.clone(), self.opened_at);
        let found = tokio::task::spawn_blocking(move || {
            let found = left_overs(&data_dir, since).into_iter();
            let found = found.chain(empty_imports(&data_dir, since));
            found.map(|path| (data_dir.below(&path), remove_left_over(&path))).collect::<Vec<_>>()
        });
        let unknown =
            |error| LeftOver::File { path: String::new(), source: io::Error::other(error) };
        let mut first = None;
        for (path, result) in found.await.map_err(unknown)? {
            match result {
                Ok(()) => removed.push(path),
                Err(source) => {
                    first.get_or_insert(LeftOver::File { path, source });
                }
            }
        }
        first.map_or(Ok(removed), Err)
    }
}

/// Removes one of [`left_overs`], unless somebody has begun to import into it meanwhile.
fn remove_left_over(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return remove(path);
    }
    if entries(path).is_empty() {
        return fs::remove_dir(path).and_then(|()| sync(parent(path)));
    }
    // The lock is held until the folder is gone.
    match lock_broken_import(path) {
        Some(_lock) => remove(path),
        None => Ok(()),
    }
}

/// Files with temporary names that are older than `since` and that nobody writes, and folders of imports that were broken off before
/// their checkpoint was written.
pub fn left_overs(data_dir: &DataDir, since: u64) -> Vec<PathBuf> {
    let mut folders = vec![data_dir.root().to_owned()];
    folders.extend([data_dir.keys(), data_dir.pictures(), data_dir.datasets()]);
    for run in subfolders(&data_dir.runs()) {
        // Version 0.1 had a folder for each study.
        folders.extend(subfolders(&run));
        folders.push(run);
    }
    let mut found = Vec::new();
    for import in subfolders(&data_dir.checkpoints()) {
        if lock_broken_import(&import).is_some() {
            found.push(import);
        } else {
            folders.push(import);
        }
    }
    let files = folders.iter().flat_map(|folder| entries(folder));
    found.extend(files.filter(|path| is_left_over(path, since).unwrap_or(false)));
    found
}

/// Folders of imports without even a lock, older than `since` (Unix time in milliseconds): a power cut came before it was on the disk.
fn empty_imports(data_dir: &DataDir, since: u64) -> impl Iterator<Item = PathBuf> {
    let is_older = move |path: &PathBuf| {
        let modified = fs::metadata(path).and_then(|folder| folder.modified()).ok();
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        modified.is_some_and(|time| (time.as_millis() as u64) < since)
    };
    let folders = subfolders(&data_dir.checkpoints()).into_iter();
    folders.filter(|path| entries(path).is_empty()).filter(is_older)
}

/// The lock of an import that began in this folder, wrote no checkpoint, and is not going on.
fn lock_broken_import(folder: &Path) -> Option<File> {
    let lock = File::open(folder.join(IMPORT_LOCK)).ok()?;
    lock.try_lock().ok()?;
    (!folder.join(LAST_CHECKPOINT).exists()).then_some(lock)
}

/// What is in a folder; nothing if it cannot be read, so that nothing may follow from an empty list.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// The folders in a folder.
pub fn subfolders(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect()
}
