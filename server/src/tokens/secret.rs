//! Secrets: drawn from the system's entropy, stored and compared as hashes.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

/// Bytes of a drawn secret.
const BYTES: usize = 32;

/// The SHA-256 of a secret. Hashes are compared, so that the time of a comparison tells nothing about the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// A new text of 256 random bits.
    ///
    /// # Panics
    /// When the system gives no entropy.
    pub fn draw() -> String {
        let mut bytes = [0; BYTES];
        OsRng.try_fill_bytes(&mut bytes).expect("the system has no entropy");
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// As the database has it.
    pub fn as_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
