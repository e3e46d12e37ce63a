//! Reads a data set once, when it is added, to see what is in it.

use std::{collections::HashSet, path::Path};

use shared::{
    api::{DatasetInfo, Layout, SkippedFile, Split},
    dataset::FolderSource,
    run::DataSource,
};

use super::{
    DataError, Entry, Index,
    error::{Unreadable, in_words},
    known, layout, parallel,
};
use crate::{decode::Room, stop::Watch};

/// A data set as [`inspect`] finds it.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The data set.
    pub info: DatasetInfo,
    /// The names of all its images, compressed: to say later which of them came or went.
    pub names: Vec<u8>,
}

/// Finds a data set's layout and decodes every image of it (the built-in one is known without).
///
/// The rule for images that cannot be read: they are left out, named and counted in the result, whose
/// [`DatasetInfo::source`] carries their names into every later run. A class whose images are all unreadable in one
/// split makes the data set refused. [`DatasetInfo::added_at`] is left at 0 for the caller.
///
/// # Errors
/// When the folder has none of the layouts or not all that its layout asks for ([`Index::open`]), or no image of a class can
/// be read.
pub fn inspect(
    name: &str,
    source: &DataSource,
    watch: &mut dyn Watch,
) -> Result<Inspected, DataError> {
    let (folder, index, left_out) = match source {
        DataSource::Builtin => (None, Index::open(source)?, Vec::new()),
        DataSource::Folder(folder) => {
            let (layout, root) = layout::find(Path::new(&folder.path))?;
            let path = root.to_str().ok_or_else(|| DataError::Name(root.clone()))?.to_owned();
            // What was unreadable once may be repaired by now: every file is tried again.
            let (skipped, known) = (Vec::new(), None);
            let (transparency, hold_out) = (folder.transparency, folder.hold_out);
            let whole = FolderSource { path, layout, skipped, transparency, hold_out, known };
            let (index, left_out) = Index::list(&whole)?;
            (Some(whole), index, left_out)
        }
    };
    let unreadable = if folder.is_some() { unreadable(&index, watch)? } else { Vec::new() };
    let (fingerprint, image_names) = (index.fingerprint(), known::names(&index));
    let names: HashSet<&str> = unreadable.iter().map(|image| image.file.path.as_str()).collect();
    let readable = index.without(&names);
    for split in [Split::Train, Split::Test] {
        let counts = readable.counts(split);
        if let Some(class) = counts.iter().position(|&count| count == 0) {
            return Err(no_readable(&readable.classes[class], class as u32, split, &unreadable));
        }
    }
    let info = DatasetInfo {
        name: name.into(),
        builtin: folder.is_none(),
        layout: folder.as_ref().map_or(Layout::Drawn, |folder| folder.layout),
        transparency: folder.as_ref().map_or_else(Default::default, |folder| folder.transparency),
        hold_out: folder.as_ref().and_then(|folder| folder.hold_out),
        path: folder.map(|folder| folder.path),
        train_counts: readable.counts(Split::Train),
        test_counts: readable.counts(Split::Test),
        classes: readable.classes,
        fingerprint,
        skipped_total: unreadable.len() as u32,
        skipped: unreadable.into_iter().map(|image| image.file).collect(),
        left_out,
        added_at: 0,
    };
    Ok(Inspected { info, names: image_names })
}

/// An image that cannot be read.
struct UnreadableImage {
    split: Split,
    class: u32,
    file: SkippedFile,
}

/// Every image that cannot be read, in the order of the index.
fn unreadable(index: &Index, watch: &mut dyn Watch) -> Result<Vec<UnreadableImage>, DataError> {
    let total = index.train.len() + index.test.len();
    let mut found = Vec::new();
    let mut done = 0;
    for split in [Split::Train, Split::Test] {
        let entries = index.entries(split);
        let check = |at: &usize| match index.pixels(split, &entries[*at], &Room::default()) {
            Ok(_) => Ok((*at, None)),
            Err(DataError::Unreadable { reason, .. }) => Ok((*at, Some(reason))),
            Err(other) => Err(other),
        };
        let order = index.stored_order(split);
        let checks = parallel::map(&order, "reading images", done, total, watch, check)?;
        let mut checks = checks.into_iter().collect::<Result<Vec<_>, _>>()?;
        checks.sort_unstable_by_key(|(at, _)| *at);
        for (at, reason) in checks {
            let entry = &entries[at];
            if let Some(reason) = reason {
                let file = skipped_file(entry, &reason);
                found.push(UnreadableImage { split, class: entry.class, file });
            }
        }
        done += entries.len();
    }
    Ok(found)
}

fn skipped_file(entry: &Entry, reason: &Unreadable) -> SkippedFile {
    SkippedFile { path: entry.name.clone(), reason: reason.to_string() }
}

/// The error for a class without a readable image. Such a class had images, so its first unreadable one is among those.
fn no_readable(name: &str, class: u32, split: Split, unreadable: &[UnreadableImage]) -> DataError {
    let first = unreadable
        .iter()
        .find(|image| (image.split, image.class) == (split, class))
        .expect("a class without images is refused before");
    DataError::NoReadable {
        class: name.into(),
        split: in_words(split),
        first_file: first.file.path.clone(),
        first_reason: first.file.reason.clone(),
    }
}
