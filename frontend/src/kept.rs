//! What the browser keeps for this program: texts and values by name. A browser that keeps nothing only loses them.

use leptos::prelude::window;
use serde::{Serialize, de::DeserializeOwned};

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// The text that is kept under a name.
pub fn text(name: &str) -> Option<String> {
    storage()?.get_item(name).ok().flatten()
}

/// Keeps a text under a name.
pub fn keep_text(name: &str, text: &str) {
    if let Some(storage) = storage() {
        let _ = storage.set_item(name, text);
    }
}

/// The value that is kept under a name, if this version can read it.
pub fn value<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_str(&text(name)?).ok()
}

/// Keeps a value under a name.
pub fn keep(name: &str, value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        keep_text(name, &text);
    }
}

/// Forgets what is kept under a name.
pub fn forget(name: &str) {
    if let Some(storage) = storage() {
        let _ = storage.remove_item(name);
    }
}
