//! Image folders: `train/<class>/**` and `val/<class>/**`.
//!
//! Like torchvision's `ImageFolder`, the listing takes images in folders below a class's folder, too. A file counts by its extension
//! or, where that says nothing, by its first bytes. The folders of the splits may have the other names of [`TRAIN`] and [`TEST`], in any
//! case; of several the first in these lists is taken. `words.txt`, as ImageNet has it, gives the classes their human names.

use std::{collections::BTreeMap, path::Path};

use unicode_normalization::UnicodeNormalization;

use super::{
    Listing,
    files::{below, contents, folder_names, image_files_below, is_of_system, visible},
    left_over::LeftOver,
    nearest, no_layout, words,
};
use crate::data::{DataError, Entry, composed};

/// Names of the folder of training images.
pub const TRAIN: [&str; 2] = ["train", "training"];
/// Names of the folder of validation images.
pub const TEST: [&str; 5] = ["val", "valid", "validation", "test", "testing"];

/// Whether a folder looks like this layout.
pub fn fits(root: &Path) -> bool {
    split_folder(root, &TRAIN).is_some() || split_folder(root, &TEST).is_some()
}

/// The folder of a split: the first of these names that there is, in lower case or else in any.
pub fn split_folder(root: &Path, names: &[&str]) -> Option<String> {
    // A folder of another name is not a split, whatever its name is.
    let folders: Vec<String> = visible(root)
        .ok()?
        .into_iter()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let named = |name: &&str| {
        let exact = folders.iter().find(|folder| folder == name);
        exact.or_else(|| folders.iter().find(|folder| folder.eq_ignore_ascii_case(name)))
    };
    names.iter().find_map(named).cloned()
}

/// Whether the training images lie in folders of classes. A list or an archive beside them says nothing more.
pub fn has_class_folders(root: &Path) -> bool {
    split_folder(root, &TRAIN).is_some_and(|train| class_folders(&root.join(train)).is_ok())
}

/// Lists the folder at `root`. Opens no image of a usual name. With `hold_out`, the folder of validation images may be missing.
pub fn list(root: &Path, hold_out: bool) -> Result<Listing, DataError> {
    let train = split_folder(root, &TRAIN).ok_or_else(|| DataError::NoTrain(root.into()))?;
    let test = split_folder(root, &TEST);
    if test.is_none() && !hold_out {
        return Err(DataError::NoTest(root.into()));
    }
    let mut listing = Listing::default();
    let classes = class_folders(&root.join(&train))?;
    let left = &mut listing.left;
    let folders = match &test {
        Some(test) => same_classes(root, &train, &classes, test, left)?,
        None => Vec::new(),
    };
    (listing.train, listing.train_bytes) = split_files(root, &train, &classes, left)?;
    if let Some(test) = &test {
        (listing.test, listing.test_bytes) = split_files(root, test, &folders, left)?;
    }
    for split in [Some(&train), test.as_ref()].into_iter().flatten() {
        add_stray_files(root, split, &[], left)?;
    }
    listing.members.extend(words::member(root));
    let splits: Vec<String> = [train].into_iter().chain(test).collect();
    listing.add_unused(root, &format!("beside `{}`", splits.join("` and `")))?;
    listing.classes = words::class_names(root, classes)?;
    Ok(listing)
}

/// Leaves out the files beside the class folders of a split, and the folders of systems.
pub fn add_stray_files(
    root: &Path,
    split: &str,
    members: &[String],
    left: &mut LeftOver,
) -> Result<(), DataError> {
    let mut names = Vec::new();
    for entry in contents(&root.join(split))? {
        let name = below(split, &entry.file_name().to_string_lossy());
        if !entry.path().is_dir() {
            names.push(name);
        } else if is_of_system(&entry.file_name()) {
            names.push(name + "/");
        }
    }
    names.retain(|name| !members.contains(name));
    names.sort_unstable();
    for name in names {
        left.add("beside the class folders", name);
    }
    Ok(())
}

/// The classes of a split: its folders, sorted by name.
///
/// # Errors
/// When there are fewer than two, images in a form that is not read, or two of them have the same name in another Unicode form.
pub fn class_folders(split: &Path) -> Result<Vec<String>, DataError> {
    let folders = folder_names(split)?;
    if folders.is_empty() && nearest::advice_on_other_form(split).is_some() {
        return Err(no_layout(split)?);
    }
    if folders.len() < 2 {
        let found =
            folders.first().map_or("no class".into(), |class| format!("one class, {class}"));
        return Err(DataError::TooFewClasses { folder: split.into(), found });
    }
    by_composed_name(split, &folders)?;
    Ok(folders)
}

/// The folders of a split by their composed names.
///
/// # Errors
/// When two of them have the same.
fn by_composed_name<'a>(
    split: &Path,
    folders: &'a [String],
) -> Result<BTreeMap<String, &'a String>, DataError> {
    let mut seen = BTreeMap::new();
    for folder in folders {
        if let Some(other) = seen.insert(composed(folder), folder) {
            return Err(DataError::SameClass {
                folder: split.into(),
                names: format!("{} and {}", other.escape_unicode(), folder.escape_unicode()),
            });
        }
    }
    Ok(seen)
}

/// The folders of the validation images in the order of the training classes. Other folders without an image are left out.
pub fn same_classes(
    root: &Path,
    train: &str,
    classes: &[String],
    test: &str,
    left: &mut LeftOver,
) -> Result<Vec<String>, DataError> {
    let folders = folder_names(&root.join(test))?;
    let mut by_name = by_composed_name(&root.join(test), &folders)?;
    let mut matched = Vec::new();
    let mut missing = Vec::new();
    for class in classes {
        match by_name.remove(&composed(class)) {
            Some(folder) => matched.push(folder.clone()),
            None => missing.push(class),
        }
    }
    let mut surplus = Vec::new();
    for folder in by_name.into_values() {
        let path = format!("{test}/{folder}");
        if image_files_below(root, &path, &mut LeftOver::default())?.is_empty() {
            left.add("a folder of no class and without an image", format!("{path}/"));
        } else {
            surplus.push(folder);
        }
    }
    let mut parts = Vec::new();
    missing.retain(|class| {
        let alike = surplus.iter().position(|folder| look_alike(folder, class));
        let Some(at) = alike else { return true };
        let folder = surplus.remove(at);
        parts.push(format!(
            "{test} has {folder:?} where {train} has {class:?} (they differ in {})",
            difference(folder, class)
        ));
        false
    });
    if !missing.is_empty() {
        parts.push(format!("{test} lacks {}", few(&missing)));
    }
    if !surplus.is_empty() {
        parts.push(format!("{test} has {} besides", few(&surplus)));
    }
    if parts.is_empty() {
        return Ok(matched);
    }
    let (test, train) = (test.to_owned(), train.to_owned());
    Err(DataError::OtherClasses { test, train, difference: parts.join("; ") })
}

/// Whether the eye may take two names for the same.
fn look_alike(a: &str, b: &str) -> bool {
    look(a) == look(b) || foreign_letter(a, b).is_some()
}

/// The first letters in which two names differ, where one of each two is of ASCII and the other is not, as Cyrillic and Latin a; `None`
/// where the names differ in anything else.
fn foreign_letter(a: &str, b: &str) -> Option<(char, char)> {
    let (a, b) = (composed(a), composed(b));
    let pairs = || a.chars().zip(b.chars()).filter(|(one, other)| one != other);
    let are_letters = |(one, other): (char, char)| {
        one.is_alphabetic() && other.is_alphabetic() && one.is_ascii() != other.is_ascii()
    };
    let as_long = a.chars().count() == b.chars().count();
    if as_long && pairs().all(are_letters) { pairs().next() } else { None }
}

/// What the eye sees of a name.
fn look(name: &str) -> String {
    let visible =
        |c: &char| !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}');
    name.nfkc().filter(visible).flat_map(char::to_lowercase).collect()
}

fn difference(a: &str, b: &str) -> String {
    if a.to_lowercase() == b.to_lowercase() {
        return "capitals".into();
    }
    if a.trim() == b.trim() {
        return "blanks at the beginning or the end".into();
    }
    match foreign_letter(a, b) {
        Some((one, other)) => {
            format!("{one} (U+{:04X}) for {other} (U+{:04X})", u32::from(one), u32::from(other))
        }
        None => "characters that cannot be seen, or look alike".into(),
    }
}

/// The first names of a list.
fn few(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(|name| name.as_str()).collect();
    let more = names.len() - shown.len();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Image files of a split by class, then by folder and name, and their sizes in bytes. The images of class `i` are in `folders[i]` and
/// below it.
///
/// # Errors
/// When a class has no image file.
pub fn split_files(
    root: &Path,
    split: &str,
    folders: &[String],
    left: &mut LeftOver,
) -> Result<(Vec<Entry>, Vec<u64>), DataError> {
    let (mut entries, mut sizes) = (Vec::new(), Vec::new());
    for (class, folder) in folders.iter().enumerate() {
        let found = image_files_below(root, &below(split, folder), left)?;
        if found.is_empty() {
            return Err(DataError::EmptyClass(root.join(split).join(folder)));
        }
        for (name, bytes) in found {
            entries.push(Entry::file(name, class as u32));
            sizes.push(bytes);
        }
    }
    Ok((entries, sizes))
}
