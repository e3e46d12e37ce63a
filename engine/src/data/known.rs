//! Whether a folder still holds what it held when its data set was added, and what is different.

use std::{
    collections::HashSet,
    fs::File,
    io::{Read, Write},
    path::Path,
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use shared::dataset::{FolderSource, KnownFolder};

use super::{DataError, Index};

/// Names that a message shows of each kind.
const SHOWN: usize = 3;
/// Longest list of names that is read, in bytes.
const MAX_NAMES: u64 = 1 << 30;

/// The names of all images, one a line, compressed by gzip. They hold no line breaks: the listing leaves such names out.
pub(super) fn names(index: &Index) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    for entry in index.train.iter().chain(&index.test) {
        file.write_all(entry.name.as_bytes()).and_then(|()| file.write_all(b"\n")).expect("memory");
    }
    file.finish().expect("memory")
}

/// The error for a folder that can no longer be listed.
pub(super) fn unlisted(folder: &FolderSource, known: &KnownFolder, error: DataError) -> DataError {
    match error {
        DataError::Missing(_) | DataError::NotAFolder(_) | DataError::List { .. } => error,
        other => DataError::Changed {
            dataset: known.dataset.clone(),
            folder: folder.path.clone().into(),
            change: other.to_string(),
        },
    }
}

/// The error for a folder with another content; `index` lists it, skipped images included.
pub(super) fn changed(folder: &FolderSource, known: &KnownFolder, index: &Index) -> DataError {
    let mut parts = Vec::new();
    let new = besides(&index.classes, &known.classes);
    let gone = besides(&known.classes, &index.classes);
    if !new.is_empty() || !gone.is_empty() {
        parts.push(format!(
            "{} classes instead of {}{}",
            index.classes.len(),
            known.classes.len(),
            named(&new, &gone)
        ));
    }
    let skipped: HashSet<&str> = folder.skipped.iter().map(String::as_str).collect();
    for (what, entries, before) in
        [("training", &index.train, known.train), ("validation", &index.test, known.test)]
    {
        let now = entries.iter().filter(|entry| !skipped.contains(&entry.name[..])).count();
        if now != before as usize {
            parts.push(format!("{now} {what} images instead of {before}"));
        }
    }
    if let Some(before) = known.names.as_deref().and_then(|path| read_names(Path::new(path))) {
        let now: Vec<&str> =
            index.train.iter().chain(&index.test).map(|entry| &entry.name[..]).collect();
        let before: Vec<&str> = before.lines().collect();
        let (new, gone) = (besides(&now, &before), besides(&before, &now));
        if !new.is_empty() || !gone.is_empty() {
            parts.push(format!("files{}", named(&new, &gone)));
        }
    }
    if known.names.as_deref().is_some_and(|path| !Path::new(path).exists()) {
        parts.push(
            "it was added by an earlier version, which listed neither images in folders below a class nor GIF, BMP and TIFF files"
                .into(),
        );
    }
    if parts.is_empty() {
        parts.push("the same names, but other sizes or another content".into());
    }
    DataError::Changed {
        dataset: known.dataset.clone(),
        folder: folder.path.clone().into(),
        change: parts.join("; "),
    }
}

/// Those of `all` that are not among `others`, in their order.
fn besides<'a, T: AsRef<str>>(all: &'a [T], others: &[T]) -> Vec<&'a str> {
    let others: HashSet<&str> = others.iter().map(AsRef::as_ref).collect();
    all.iter().map(AsRef::as_ref).filter(|name| !others.contains(name)).collect()
}

/// ` (new: a, b; gone: c)`.
fn named(new: &[&str], gone: &[&str]) -> String {
    let list = |title: &str, names: &[&str]| {
        let more = names.len().saturating_sub(SHOWN);
        let shown = names[..names.len() - more].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("{title}: {shown}{more}"))
    };
    let parts: Vec<String> = [list("new", new), list("gone", gone)].into_iter().flatten().collect();
    format!(" ({})", parts.join("; "))
}

/// The names of a list that [`names`] made; nothing where it cannot be read.
fn read_names(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    GzDecoder::new(file).take(MAX_NAMES).read_to_string(&mut text).ok()?;
    Some(text)
}
