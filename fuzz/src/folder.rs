//! Several files as one input: for each, the length of its name, the name, the length of its content (two bytes, the low one first),
//! the content. Lengths beyond the end mean up to the end, so that every input is a folder.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use tempfile::TempDir;

/// Most files of an input.
const MOST: usize = 64;

/// A file: its path below the folder, and its content.
pub type File<'a> = (String, &'a [u8]);

/// The files of an input. Names that lead out of the folder are left out.
pub fn files(mut bytes: &[u8]) -> Vec<File<'_>> {
    let mut files = Vec::new();
    while let (Some((&length, rest)), true) = (bytes.split_first(), files.len() < MOST) {
        let (name, rest) = rest.split_at(usize::from(length).min(rest.len()));
        let (length, rest) = match rest {
            [low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
            _ => (0, &[][..]),
        };
        let (content, rest) = rest.split_at(length.min(rest.len()));
        bytes = rest;
        let name = String::from_utf8_lossy(name).into_owned();
        if is_inside(&name) {
            files.push((name, content));
        }
    }
    files
}

/// The input that [`files`] reads as these files.
pub fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend((content.len() as u16).to_le_bytes());
        bytes.extend(*content);
    }
    bytes
}

fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components().peekable();
    parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && !name.contains('\0')
}

/// A folder in which inputs are laid out, one after the other.
pub struct Place(TempDir);

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Empties the folder and writes the files of an input. What the file system does not take (a name that is too long, a file in
    /// the place of a folder) is left out.
    pub fn lay_out(&self, files: &[File<'_>]) -> PathBuf {
        let root = self.0.path().join("input");
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
            _ => fs::create_dir(&root).expect("a folder"),
        }
        for (name, content) in files {
            let path = root.join(name);
            let folder = path.parent().unwrap_or(&root);
            let _ = fs::create_dir_all(folder).and_then(|()| fs::write(&path, content));
        }
        root
    }

    /// A path beside the input.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_and_every_input_is_a_folder() {
        let two = packed(&[("a/b", b"one"), ("c", b"")]);
        assert_eq!(two, b"\x03a/b\x03\x00one\x01c\x00\x00");
        let read = [("a/b".to_owned(), &b"one"[..]), ("c".to_owned(), &b""[..])];
        assert_eq!(files(&two), read);
        assert_eq!(files(b"\x09short"), [("short".to_owned(), &b""[..])]);
        assert_eq!(files(b"\x01a\xff\xffrest"), [("a".to_owned(), &b"rest"[..])]);
        assert_eq!(files(&packed(&[("../a", b""), ("/a", b""), ("", b"")])), []);
    }
}
