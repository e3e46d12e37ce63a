//! Lists an image folder: `train/<class>/*` and `val/<class>/*` or `test/<class>/*`.
//!
//! Files count by their extension (jpg, jpeg, png, webp in any case); names that begin with a dot, other files and
//! folders within a class are passed over. With both `val` and `test` there, `val` is taken.

use std::{
    collections::BTreeSet,
    fs::{self, DirEntry},
    path::Path,
};

use super::{DataError, index::Entry};

const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// The files of an image folder.
pub(super) struct Listing {
    pub classes: Vec<String>,
    pub train: Vec<File>,
    pub test: Vec<File>,
}

/// One image file.
pub(super) struct File {
    pub entry: Entry,
    /// Size in bytes; 0 when it cannot be asked for, and then the file cannot be read either.
    pub bytes: u64,
}

/// Lists the folder at `root`. Opens no file.
pub(super) fn list(root: &Path) -> Result<Listing, DataError> {
    if !root.exists() {
        return Err(DataError::Missing(root.into()));
    }
    if !root.is_dir() {
        return Err(DataError::NotAFolder(root.into()));
    }
    if !root.join("train").is_dir() {
        return Err(DataError::NoTrain(root.into()));
    }
    let test = ["val", "test"]
        .into_iter()
        .find(|name| root.join(name).is_dir())
        .ok_or_else(|| DataError::NoTest(root.into()))?;
    let classes = class_names(&root.join("train"))?;
    if classes.len() < 2 {
        let found =
            classes.first().map_or("no class".into(), |class| format!("one class, {class}"));
        return Err(DataError::TooFewClasses { folder: root.join("train"), found });
    }
    same_classes(&classes, &class_names(&root.join(test))?, test)?;
    Ok(Listing {
        train: split_files(root, "train", &classes)?,
        test: split_files(root, test, &classes)?,
        classes,
    })
}

fn same_classes(train: &[String], test: &[String], name: &'static str) -> Result<(), DataError> {
    let (train, test): (BTreeSet<_>, BTreeSet<_>) = (train.iter().collect(), test.iter().collect());
    let few = |names: Vec<&&String>| {
        let shown: Vec<&str> = names.iter().take(5).map(|name| name.as_str()).collect();
        let more = names.len() - shown.len();
        if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
    };
    let missing: Vec<_> = train.difference(&test).collect();
    let surplus: Vec<_> = test.difference(&train).collect();
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("{name} lacks {}", few(missing)));
    }
    if !surplus.is_empty() {
        parts.push(format!("{name} has {} besides", few(surplus)));
    }
    if parts.is_empty() {
        return Ok(());
    }
    Err(DataError::OtherClasses { test: name, difference: parts.join("; ") })
}

/// Names of the folders in a split, sorted.
fn class_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in visible(folder)? {
        if entry.path().is_dir() {
            names.push(name_of(&entry)?);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Image files of a split: by class, then by name.
fn split_files(root: &Path, split: &str, classes: &[String]) -> Result<Vec<File>, DataError> {
    let mut files = Vec::new();
    for (class, class_name) in classes.iter().enumerate() {
        let folder = root.join(split).join(class_name);
        let mut found = Vec::new();
        for entry in visible(&folder)? {
            let path = entry.path();
            let metadata = fs::metadata(&path);
            if is_image_name(&path) && !metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
                found.push((name_of(&entry)?, metadata.map_or(0, |metadata| metadata.len())));
            }
        }
        if found.is_empty() {
            return Err(DataError::EmptyClass(folder));
        }
        found.sort_unstable();
        files.extend(found.into_iter().map(|(name, bytes)| File {
            entry: Entry::new(format!("{split}/{class_name}/{name}"), class as u32, 0),
            bytes,
        }));
    }
    Ok(files)
}

fn is_image_name(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// What lies in a folder, without names that begin with a dot.
fn visible(folder: &Path) -> Result<Vec<DirEntry>, DataError> {
    let failed = |source| DataError::List { path: folder.into(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn name_of(entry: &DirEntry) -> Result<String, DataError> {
    entry.file_name().into_string().map_err(|_| DataError::Name(entry.path()))
}
