//! Removes the files of what was deleted from the store.

use std::{fs, io, path::Path};

use crate::{app::App, store::StoreError};

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
    /// Removes files and folders that the store has noted as to be removed, and takes them off its list. What cannot be removed stays
    /// on the list.
    ///
    /// # Errors
    /// The first one that keeps something from being removed; the others are removed nevertheless.
    pub async fn remove_files(&self, paths: Vec<String>) -> Result<(), LeftOver> {
        let data_dir = self.data_dir.clone();
        let removed = tokio::task::spawn_blocking(move || {
            let (mut gone, mut first) = (Vec::new(), None);
            for path in paths {
                match remove(&data_dir.folder(&path)) {
                    Ok(()) => gone.push(path),
                    Err(source) => {
                        first.get_or_insert(LeftOver::File { path, source });
                    }
                }
            }
            (gone, first)
        });
        let (gone, first) = removed.await.map_err(|error| LeftOver::File {
            path: String::new(),
            source: io::Error::other(error),
        })?;
        if !gone.is_empty() {
            self.store.removed(&gone).await?;
        }
        first.map_or(Ok(()), Err)
    }
}

/// Removes a file, or a folder with everything in it, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
