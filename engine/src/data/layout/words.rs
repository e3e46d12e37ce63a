//! `words.txt`: human names of ImageNet's classes, `<wnid><tab><name, other names>` a line.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use super::files;
use crate::data::DataError;

const FILE: &str = "words.txt";

/// The file, where there is one.
pub fn member(root: &Path) -> Option<String> {
    root.join(FILE).is_file().then(|| FILE.to_owned())
}

/// The names of the classes in these folders: of each its first human name, or the folder's own where the file has none.
/// Two classes of one name get their folder's behind it.
///
/// # Errors
/// When the file is there but cannot be read.
pub fn class_names(root: &Path, folders: Vec<String>) -> Result<Vec<String>, DataError> {
    if member(root).is_none() {
        return Ok(folders);
    }
    let text = files::text(&root.join(FILE))?;
    let words: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.trim_end().split_once('\t')).collect();
    Ok(named(&folders, |folder| words.get(folder).copied()))
}

/// The names of the classes in these folders: the first of those that `names` has for a folder, or the folder's own. Two classes of one
/// name get their folder's behind it.
pub fn named<'a>(folders: &[String], names: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let first = |folder: &String| {
        let name = names(folder).and_then(|names| names.split(',').next());
        name.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(folder).to_owned()
    };
    let names: Vec<String> = folders.iter().map(first).collect();
    let mut seen = HashSet::new();
    let twice: HashSet<&String> = names.iter().filter(|name| !seen.insert(*name)).collect();
    let name = |(name, folder): (&String, &String)| {
        if twice.contains(name) { format!("{name} ({folder})") } else { name.clone() }
    };
    names.iter().zip(folders).map(name).collect()
}
