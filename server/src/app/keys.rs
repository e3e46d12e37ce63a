//! The files of key images.

use std::{fs, io};

use engine::keys;
use sha2::{Digest, Sha256};
use shared::study::FieldError;

use crate::data_dir::DataDir;

/// SHA-256 of an image file in hex: what it is called by.
pub(crate) fn sha256(file: &[u8]) -> String {
    format!("{:x}", Sha256::digest(file))
}

/// The PNG file of a key image: a built-in key's name, or an uploaded one's SHA-256.
///
/// # Errors
/// When no such key exists (kind [`io::ErrorKind::NotFound`]), or its file cannot be read.
pub fn key_file(data_dir: &DataDir, id: &str) -> io::Result<Vec<u8>> {
    if let Some(key) = keys::builtin(id) {
        return Ok(key.file.to_vec());
    }
    if !is_sha256(id) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fs::read(data_dir.key_file(id))
}

/// What is wrong with a trigger's key; `None` when it can be read.
pub(super) fn check_key(data_dir: &DataDir, id: &str) -> Option<FieldError> {
    let error = key_file(data_dir, id).err()?;
    let message = if error.kind() == io::ErrorKind::NotFound {
        let known: Vec<_> = keys::BUILTIN.iter().map(|key| key.id).collect();
        format!(
            "there is no key image {id:?}; there are {}, and uploaded ones by their SHA-256",
            known.join(", ")
        )
    } else {
        format!("the key image {id} cannot be read: {error}")
    };
    Some(FieldError::new("attack.trigger.key", message))
}

/// Only such identifiers become parts of paths.
fn is_sha256(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
