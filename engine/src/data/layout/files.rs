//! What the layouts share: listing folders, reading short text files, classes by number.

use std::{
    fs::{self, DirEntry, File},
    io::Read,
    path::{Path, PathBuf},
};

use shared::api::Layout;

use super::super::{DataError, error::Unreadable};

/// Largest text file that is read, in bytes.
const MAX_TEXT: u64 = 64 << 20;
/// Extensions of image files, in any case.
const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "ppm"];

/// What lies in a folder, without names that begin with a dot.
pub fn visible(folder: &Path) -> Result<Vec<DirEntry>, DataError> {
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

/// The name of what lies in a folder.
pub fn name_of(entry: &DirEntry) -> Result<String, DataError> {
    entry.file_name().into_string().map_err(|_| DataError::Name(entry.path()))
}

/// Names of the folders in a folder, sorted.
pub fn folder_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for entry in visible(folder)? {
        if entry.path().is_dir() {
            names.push(name_of(&entry)?);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Names and sizes of the image files in a folder, sorted by name. The size is 0 when it cannot be asked for, and then the
/// file cannot be read either.
pub fn image_files(folder: &Path) -> Result<Vec<(String, u64)>, DataError> {
    let mut found = Vec::new();
    for entry in visible(folder)? {
        let path = entry.path();
        if !is_image_name(&path) {
            continue;
        }
        let metadata = fs::metadata(&path);
        if !metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
            found.push((name_of(&entry)?, metadata.map_or(0, |metadata| metadata.len())));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn is_image_name(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// The first of these paths below `root` at which a file lies.
///
/// # Errors
/// When there is none; names the first as the one that is missing.
pub fn member(root: &Path, layout: Layout, names: &[&str]) -> Result<PathBuf, DataError> {
    let found = names.iter().map(|name| root.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| DataError::NoMember {
        folder: root.into(),
        file: names[0].into(),
        layout: layout.title(),
    })
}

/// A text file.
///
/// # Errors
/// When it cannot be read, is longer than 64 MiB or no UTF-8.
pub fn text(path: &Path) -> Result<String, DataError> {
    let bytes = bytes(path, MAX_TEXT)?;
    String::from_utf8(bytes).map_err(|error| DataError::Member {
        file: path.into(),
        reason: format!("it is no UTF-8 text from byte {} on", error.utf8_error().valid_up_to()),
    })
}

/// The whole of a short file.
///
/// # Errors
/// When it cannot be read or is longer than `max` bytes.
pub fn bytes(path: &Path, max: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes)).map_err(
        |source| DataError::Unreadable { path: path.into(), reason: Unreadable::Io(source) },
    )?;
    if bytes.len() as u64 > max {
        let reason = format!("it is longer than the {max} bytes that such a file may have");
        return Err(DataError::Member { file: path.into(), reason });
    }
    Ok(bytes)
}

/// Class names, one a line, from an optional file; the classes' numbers when it is not there.
///
/// # Errors
/// When the file cannot be read or has another number of names.
pub fn class_names(path: &Path, classes: usize) -> Result<Vec<String>, DataError> {
    if !path.exists() {
        return Ok((0..classes).map(|class| class.to_string()).collect());
    }
    let text = text(path)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect();
    if names.len() != classes {
        let reason =
            format!("it has {} class names; {classes} are needed, one a line", names.len());
        return Err(DataError::Member { file: path.into(), reason });
    }
    Ok(names)
}
