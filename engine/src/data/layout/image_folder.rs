//! Image folders: `train/<class>/*` and `val/<class>/*` or `test/<class>/*`.
//!
//! Files count by their extension (jpg, jpeg, png, webp, ppm in any case); names that begin with a dot, other files and
//! folders within a class are passed over, but for a folder `images` in a class without image files of its own. With both
//! `val` and `test` there, `val` is taken. `words.txt`, as `ImageNet` has it, gives the classes their human names.

use std::{collections::BTreeSet, path::Path};

use super::{
    Listing,
    files::{folder_names, image_files},
    words,
};
use crate::data::{DataError, Entry};

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    ["train", "val", "test"].iter().any(|split| root.join(split).is_dir())
}

/// Lists the folder at `root`. Opens no image.
pub fn list(root: &Path) -> Result<Listing, DataError> {
    if !root.join("train").is_dir() {
        return Err(DataError::NoTrain(root.into()));
    }
    let test = ["val", "test"]
        .into_iter()
        .find(|name| root.join(name).is_dir())
        .ok_or_else(|| DataError::NoTest(root.into()))?;
    let folders = class_folders(&root.join("train"))?;
    same_classes(&folders, &folder_names(&root.join(test))?, test)?;
    let mut listing = Listing::default();
    (listing.train, listing.train_bytes) = split_files(root, "train", &folders)?;
    (listing.test, listing.test_bytes) = split_files(root, test, &folders)?;
    listing.members.extend(words::member(root));
    listing.classes = words::class_names(root, folders)?;
    Ok(listing)
}

/// The classes of a split: its folders, sorted by name.
///
/// # Errors
/// When there are fewer than two.
pub fn class_folders(split: &Path) -> Result<Vec<String>, DataError> {
    let folders = folder_names(split)?;
    if folders.len() < 2 {
        let found =
            folders.first().map_or("no class".into(), |class| format!("one class, {class}"));
        return Err(DataError::TooFewClasses { folder: split.into(), found });
    }
    Ok(folders)
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

/// Image files of a split by class, then by name, and their sizes in bytes. Class `i` lies in folder `folders[i]`.
///
/// # Errors
/// When a class has no image file.
pub fn split_files(
    root: &Path,
    split: &str,
    folders: &[String],
) -> Result<(Vec<Entry>, Vec<u64>), DataError> {
    let (mut entries, mut sizes) = (Vec::new(), Vec::new());
    for (class, class_folder) in folders.iter().enumerate() {
        let mut folder = format!("{split}/{class_folder}");
        let mut found = image_files(&root.join(&folder))?;
        if found.is_empty() && root.join(&folder).join("images").is_dir() {
            folder.push_str("/images");
            found = image_files(&root.join(&folder))?;
        }
        if found.is_empty() {
            return Err(DataError::EmptyClass(root.join(split).join(class_folder)));
        }
        for (name, bytes) in found {
            entries.push(Entry::file(format!("{folder}/{name}"), class as u32));
            sizes.push(bytes);
        }
    }
    Ok((entries, sizes))
}
