//! Files on their way to the disk and from it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Writes a file so that others see all of it or nothing: under another name beside it, then renamed.
///
/// # Errors
/// When the folder cannot be written; nothing is left behind then.
pub fn write_then_rename(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Two requests of this program at once write two files; so do two programs.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let part = path.with_extension(format!("{}-{number}.part", std::process::id()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    });
    if written.is_err() {
        // The error that counts is the first one; the part may not even exist.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Reads a JSON file that the program or a worker wrote.
///
/// # Errors
/// [`ApiError::NotFound`] when it is not there, an internal one when it cannot be read.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ApiError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().unwrap_or_default().display();
            let detail = format!("there is no {name} yet; the run's worker writes it");
            return Err(ApiError::NotFound(detail));
        }
        Err(error) => return Err(ApiError::internal(error)),
    };
    serde_json::from_slice(&text).map_err(ApiError::internal)
}

/// Bytes of all files below a folder; files that vanish meanwhile count as nothing.
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_replaces_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.png");
        write_then_rename(&path, b"one").unwrap();
        write_then_rename(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(folder_bytes(folder.path()), 6);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_then_rename(&folder.path().join("no/key.png"), b"x").is_err());
        assert_eq!(folder_bytes(&folder.path().join("no")), 0);
    }
}
