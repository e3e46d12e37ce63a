//! What the layouts share: listing folders, reading short text files, classes by number.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, DirEntry},
    io::Read,
    path::{Path, PathBuf},
};

use shared::api::Layout;

use super::{
    super::{DataError, error::Unreadable},
    left_over::LeftOver,
};
use crate::{
    decode::{DecodeError, Format},
    files::open,
};

/// Largest text file that is read, in bytes.
const MAX_TEXT: u64 = 64 << 20;
/// Extensions of image files, in any case. A file of another name is looked into.
const EXTENSIONS: [&str; 15] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff", "ppm", "pgm",
    "pbm", "pnm",
];
/// Files and folders that systems and programs put beside the user's own.
const OF_SYSTEMS: [&str; 8] = [
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__MACOSX",
    "lost+found",
    "Thumbs.db",
    "desktop.ini",
];
/// Folders below a class that are walked into: more are a loop of links.
const DEEPEST: usize = 16;

/// Whether a name is hidden, or a system's own.
pub fn is_of_system(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || OF_SYSTEMS.iter().any(|own| name == *own)
}

/// The contents of a folder, without hidden names and those of systems.
pub fn visible(folder: &Path) -> Result<Vec<DirEntry>, DataError> {
    Ok(contents(folder)?.into_iter().filter(|entry| !is_of_system(&entry.file_name())).collect())
}

/// The contents of a folder.
pub fn contents(folder: &Path) -> Result<Vec<DirEntry>, DataError> {
    let failed = |source| DataError::List { path: folder.into(), source };
    fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
}

/// The name of what is in a folder.
///
/// # Errors
/// When it is not UTF-8, or has a control character: names are lines of poison lists.
pub fn name_of(entry: &DirEntry) -> Result<String, DataError> {
    let name = entry.file_name().into_string().map_err(|_| DataError::Name(entry.path()))?;
    if name.contains(char::is_control) {
        return Err(DataError::ControlCharacter(entry.path()));
    }
    Ok(name)
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

/// Paths below `root` and sizes of the image files in a folder below `root`, sorted by name. What else is there goes to `left`. The
/// size is 0 when the system does not tell it, and then the file cannot be read either.
pub fn image_files(
    root: &Path,
    folder: &str,
    left: &mut LeftOver,
) -> Result<Vec<(String, u64)>, DataError> {
    let mut found = Vec::new();
    for below in images_in(root, folder, left, &mut found)? {
        left.add("a folder where images are expected", format!("{below}/"));
    }
    found.sort_unstable();
    Ok(found)
}

/// Image files in a folder below `root` and in all folders below it, as [`image_files`]; sorted by folder, then by name, as in
/// torchvision's `ImageFolder`.
pub fn image_files_below(
    root: &Path,
    folder: &str,
    left: &mut LeftOver,
) -> Result<Vec<(String, u64)>, DataError> {
    let mut found = Vec::new();
    let mut level = vec![folder.to_owned()];
    // Links may lead back, and the same image would count twice.
    let mut read = HashSet::new();
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for folder in level {
            let is_new =
                fs::canonicalize(root.join(&folder)).map_or(true, |place| read.insert(place));
            if is_new {
                next.extend(images_in(root, &folder, left, &mut found)?);
            } else {
                left.add("a link to a folder that is read already", format!("{folder}/"));
            }
        }
        level = next;
    }
    for folder in level {
        left.add(format!("more than {DEEPEST} folders deep"), format!("{folder}/"));
    }
    let parts = |path: &str| path.rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned()));
    found.sort_by_cached_key(|(path, _)| parts(path));
    Ok(found)
}

/// The path of a name in a folder below a data set's; `.` is that folder itself.
pub fn below(folder: &str, name: &str) -> String {
    match folder {
        "." => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

/// Adds the image files that are in a folder itself to `found`. Returns its folders.
fn images_in(
    root: &Path,
    folder: &str,
    left: &mut LeftOver,
    found: &mut Vec<(String, u64)>,
) -> Result<Vec<String>, DataError> {
    let mut folders = Vec::new();
    let mut entries = contents(&root.join(folder))?;
    entries.sort_by_cached_key(DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = fs::metadata(&path);
        let is_folder = metadata.as_ref().is_ok_and(fs::Metadata::is_dir);
        let below = |name: &str| below(folder, name);
        let end = if is_folder { "/" } else { "" };
        let shown = below(&entry.file_name().to_string_lossy()) + end;
        if is_of_system(&entry.file_name()) {
            left.add("hidden, or a file of the system", shown);
            continue;
        }
        let Ok(name) = entry.file_name().into_string() else {
            left.add("its name is not valid UTF-8", shown);
            continue;
        };
        if name.contains(char::is_control) {
            left.add("its name has a line break or another control character", shown);
        } else if is_folder {
            folders.push(below(&name));
        } else if metadata.as_ref().is_ok_and(|metadata| !metadata.is_file()) {
            left.add("not a regular file", shown);
        } else {
            let is_image = if is_image_name(&path) { Ok(()) } else { begins_as_image(&path) };
            match is_image {
                Ok(()) => found.push((below(&name), metadata.map_or(0, |metadata| metadata.len()))),
                Err(reason) => left.add(reason, shown),
            }
        }
    }
    Ok(folders)
}

/// Whether a file's name says that it is an image.
pub fn is_image_name(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Whether a file's first bytes are those of an image; else what they are.
fn begins_as_image(path: &Path) -> Result<(), String> {
    const HEAD: u64 = 1024;
    let mut head = Vec::new();
    let read = open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    if let Err(error) = read {
        return Err(format!("cannot be read: {error}"));
    }
    match Format::of(&head) {
        Ok(_) => Ok(()),
        Err(DecodeError::NotAnImage { found }) => Err(format!("not an image: {found}")),
        Err(_) => Err("not an image: empty".into()),
    }
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
    open(path).and_then(|file| file.take(max + 1).read_to_end(&mut bytes)).map_err(|source| {
        DataError::Unreadable { path: path.into(), reason: Unreadable::Io(source) }
    })?;
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
