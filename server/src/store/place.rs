//! Whether the file that is open is still the one at the database's path.
//!
//! A deleted file stays usable for those who have it open, and whatever they write is lost when they close it. So every write compares
//! the file at the path with the open one. A number that an open file has is not given to another one.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::StoreError;

/// The path of the database, and the file that was opened there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: FileNumber,
}

/// Device and inode.
type FileNumber = (u64, u64);

impl Place {
    /// The file that is at the path now, which has just been opened.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: number(path)? })
    }

    /// Checks that the path still leads to the file. One system call.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the file was deleted, moved or replaced.
    pub fn check(&self) -> Result<(), StoreError> {
        let lost = |how: String| StoreError::Lost { path: self.path.clone(), how };
        match number(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(lost("was replaced by another file".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(lost("was deleted or moved".into()))
            }
            Err(error) => Err(lost(format!("can no longer be reached ({error})"))),
        }
    }
}

fn number(path: &Path) -> io::Result<FileNumber> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}
