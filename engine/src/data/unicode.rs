//! Names in one Unicode form.

use unicode_normalization::UnicodeNormalization;

/// A name in the form (NFC) in which equal letters are equal bytes. macOS and its archives decompose names.
pub fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// A name in the form (NFD) in which macOS keeps it.
pub fn decomposed(name: &str) -> String {
    name.nfd().collect()
}
