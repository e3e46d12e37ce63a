//! The key image of a run's trigger.

use std::{fs, io, path::Path};

use sha2::{Digest, Sha256};
use shared::{Rgb8, order::RunOrder};

use crate::{EngineError, files::KEY, hash::hex, keys};

/// The key image of the run's trigger.
pub(super) struct Key {
    pub(super) image: Option<Rgb8>,
    /// SHA-256 of the file in hex.
    pub(super) sha256: Option<String>,
}

impl Key {
    /// Reads `key.png`; a built-in key needs no file.
    pub(super) fn read(order: &RunOrder, folder: &Path) -> Result<Self, EngineError> {
        let Some(id) = order.settings.attack.trigger.key() else {
            return Ok(Self { image: None, sha256: None });
        };
        let path = folder.join(KEY);
        let bytes = match (fs::read(&path), keys::builtin(id)) {
            (Ok(bytes), _) => bytes,
            (Err(error), Some(key)) if error.kind() == io::ErrorKind::NotFound => key.file.to_vec(),
            (Err(error), _) => return Err(EngineError::file(path)(error)),
        };
        let image = keys::image(&bytes);
        let image = image.map_err(|source| EngineError::Key { path, source })?;
        Ok(Self { image: Some(image), sha256: Some(hex(&Sha256::digest(&bytes))) })
    }
}
