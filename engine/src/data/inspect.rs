//! Reads a data set once, when it is added, to see what is in it.

use std::collections::HashSet;

use shared::{
    api::{DatasetInfo, SkippedFile, Split},
    run::DataSource,
};

use super::{DataError, Entry, Index, error::Unreadable, parallel};
use crate::stop::Watch;

/// Opens a data set and decodes every image of it (the built-in one is known without).
///
/// The rule for files that cannot be read: they are left out, named and counted in the result, whose
/// [`DatasetInfo::source`] carries their names into every later run. A class whose images are all unreadable in one
/// split makes the data set refused. [`DatasetInfo::added_at`] is left at 0 for the caller.
///
/// # Errors
/// When the folder is no image folder ([`Index::open`]), or no image of a class can be read.
pub fn inspect(
    name: &str,
    source: &DataSource,
    watch: &mut dyn Watch,
) -> Result<DatasetInfo, DataError> {
    let (path, index) = match source {
        DataSource::Builtin => (None, Index::open(source)?),
        // What was unreadable once may be repaired by now: every file is tried again.
        DataSource::Folder { path, .. } => {
            let all = DataSource::Folder { path: path.clone(), skipped: Vec::new() };
            (Some(path.clone()), Index::open(&all)?)
        }
    };
    let skipped = if path.is_some() { unreadable(&index, watch)? } else { Vec::new() };
    let fingerprint = index.fingerprint();
    let names: HashSet<&str> = skipped.iter().map(|file| file.path.as_str()).collect();
    let readable = index.without(&names);
    for split in [Split::Train, Split::Test] {
        let counts = readable.counts(split);
        if let Some(class) = counts.iter().position(|&count| count == 0) {
            return Err(no_readable(&readable.classes[class], split, &skipped));
        }
    }
    Ok(DatasetInfo {
        name: name.into(),
        builtin: path.is_none(),
        path,
        train_counts: readable.counts(Split::Train),
        test_counts: readable.counts(Split::Test),
        classes: readable.classes,
        fingerprint,
        skipped_total: skipped.len() as u32,
        skipped,
        added_at: 0,
    })
}

/// Every file that cannot be read as an image, in the order of the index.
fn unreadable(index: &Index, watch: &mut dyn Watch) -> Result<Vec<SkippedFile>, DataError> {
    let total = index.train.len() + index.test.len();
    let mut skipped = Vec::new();
    let mut done = 0;
    for split in [Split::Train, Split::Test] {
        let entries = index.entries(split);
        let checks = parallel::map(
            entries,
            "reading images",
            done,
            total,
            watch,
            |entry: &Entry| match index.pixels(split, entry) {
                Ok(_) => Ok(None),
                Err(DataError::Unreadable { reason, .. }) => Ok(Some(reason)),
                Err(other) => Err(other),
            },
        )?;
        for (entry, check) in entries.iter().zip(checks) {
            if let Some(reason) = check? {
                skipped.push(skipped_file(entry, &reason));
            }
        }
        done += entries.len();
    }
    Ok(skipped)
}

fn skipped_file(entry: &Entry, reason: &Unreadable) -> SkippedFile {
    SkippedFile { path: entry.name.clone(), reason: reason.to_string() }
}

/// The error for a class without a readable image. Such a class had files, so its first unreadable one is among `skipped`.
fn no_readable(class: &str, split: Split, skipped: &[SkippedFile]) -> DataError {
    let of_class = |file: &&SkippedFile| {
        let mut parts = file.path.split('/');
        (parts.next() == Some("train")) == (split == Split::Train) && parts.next() == Some(class)
    };
    let first = skipped.iter().find(of_class).expect("a class without files is refused before");
    let (folder, first_file) = first.path.rsplit_once('/').expect("a path is split/class/file");
    DataError::NoReadable {
        folder: folder.into(),
        first_file: first_file.into(),
        first_reason: first.reason.clone(),
    }
}
