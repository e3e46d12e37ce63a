//! Helpers that read files from the disk.

use std::{fs, io, path::Path};

use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Reads a JSON file that the program or a worker wrote.
///
/// # Errors
/// [`ApiError::NotFound`] when it does not exist, an internal error when it cannot be read.
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

#[cfg(test)]
mod tests {
    use engine::files::write;

    use super::*;

    #[test]
    fn a_written_file_replaces_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.png");
        write(&path, b"one").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("no/key.png"), b"x").is_err());
    }
}
