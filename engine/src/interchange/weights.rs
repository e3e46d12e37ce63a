//! The files of a model: one file, or a folder with one file, or with several and an index.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{pth::is_pth, tensors::TensorFile};
use crate::{
    EngineError,
    files::{LAST_CHECKPOINT, open},
    tensors::verify,
};

/// Files of a folder, the better first: transformers', ours.
const SINGLE: [&str; 3] = ["model.safetensors", "pytorch_model.bin", LAST_CHECKPOINT];
/// The lists of files over which transformers spreads a large model.
const INDEXES: [&str; 2] = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];
/// Extensions of checkpoints. Where a folder has none of the names above, its only such file is taken.
const EXTENSIONS: [&str; 6] = ["safetensors", "pth", "pt", "bin", "ckpt", "tar"];
/// Longest list that is read, in bytes.
const LONGEST_INDEX: u64 = 16 << 20;

/// A model's files in memory.
pub(super) struct Weights {
    /// The first of them, beside which a `config.json` may be.
    pub path: PathBuf,
    /// The bytes of each.
    pub files: Vec<Vec<u8>>,
}

impl Weights {
    /// Reads the file at a path, or the files of the folder there.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let paths = if path.is_dir() { of_folder(path)? } else { vec![path.to_owned()] };
        let mut files = Vec::new();
        for path in &paths {
            let mut bytes = Vec::new();
            let read = open(path).and_then(|mut file| file.read_to_end(&mut bytes));
            read.map_err(EngineError::file(path))?;
            files.push(bytes);
        }
        let path = paths.into_iter().next().unwrap_or_default();
        Ok(Self { path, files })
    }

    /// The tensors of all files.
    ///
    /// # Errors
    /// A sentence that says what is wrong with one of them.
    pub fn tensors(files: &[Vec<u8>]) -> Result<(TensorFile<'_>, &'static str), String> {
        let mut all = TensorFile::default();
        let mut container = "safetensors";
        for (n, bytes) in files.iter().enumerate() {
            let place = |reason: String| match files.len() {
                1 => reason,
                count => format!("file {} of {count}: {reason}", n + 1),
            };
            let file = if is_pth(bytes) {
                container = "PyTorch file";
                TensorFile::read_pth(bytes).map_err(place)?
            } else {
                if let Some(what) = something_else(bytes) {
                    return Err(place(what.into()));
                }
                let file = TensorFile::read_safetensors(bytes).map_err(place)?;
                if file.texts.contains_key("phase") {
                    verify(bytes).map_err(place)?;
                }
                file
            };
            all.texts.extend(file.texts);
            all.tensors.extend(file.tensors);
        }
        Ok((all, container))
    }
}

/// What is read of one of [`INDEXES`].
#[derive(Deserialize)]
struct Index {
    /// The file of each tensor.
    weight_map: HashMap<String, String>,
}

/// The files of a folder, the first of the better kind.
fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    if let Some(file) = SINGLE.iter().map(|name| folder.join(name)).find(|file| file.is_file()) {
        return Ok(vec![file]);
    }
    let index = INDEXES.iter().map(|name| folder.join(name)).find(|file| file.is_file());
    let Some(index) = index else { return only_checkpoint(folder).map(|file| vec![file]) };
    let failed = EngineError::file(&index);
    let text = match fs::metadata(&index) {
        Ok(found) if found.len() > LONGEST_INDEX => {
            Err(io::Error::other(format!("it is longer than {} MiB", LONGEST_INDEX >> 20)))
        }
        _ => fs::read(&index),
    };
    let read: Index = serde_json::from_slice(&text.map_err(failed)?)
        .map_err(|error| refused(&index, format!("it is not a list of files: {error}")))?;
    let names: BTreeSet<String> = read.weight_map.into_values().collect();
    if let Some(name) = names.iter().find(|name| Path::new(name).components().count() != 1) {
        return Err(refused(
            &index,
            format!("it names the file {name:?}, which is not in its folder"),
        ));
    }
    if let Some(name) = names.iter().find(|name| !folder.join(name).is_file()) {
        return Err(refused(
            &index,
            format!("it names {name}, which is not there: download it as well"),
        ));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// The only checkpoint of a folder.
fn only_checkpoint(folder: &Path) -> Result<PathBuf, EngineError> {
    let entries = fs::read_dir(folder).map_err(EngineError::file(folder))?;
    let is_checkpoint = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        path.is_file() && extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
    };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(is_checkpoint).collect();
    found.sort_unstable();
    if found.len() > 1 {
        let names = found.iter().filter_map(|path| path.file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
        let reason = format!("the folder has several checkpoints; give one: {}", names.join(", "));
        return Err(refused(folder, reason));
    }
    found.pop().ok_or_else(|| {
        let (files, indexes) = (SINGLE.join(", "), INDEXES.join(", "));
        refused(folder, format!("the folder has no checkpoint: none of {files}, {indexes}, and no other file that ends in .{}", EXTENSIONS.join(", .")))
    })
}

fn refused(path: &Path, reason: String) -> EngineError {
    EngineError::Checkpoint { path: path.into(), reason }
}

/// What a file is that is neither of the two kinds, and what to do.
fn something_else(bytes: &[u8]) -> Option<&'static str> {
    // A safetensors file begins with the length of its header, which may be any bytes.
    if bytes.get(8) == Some(&b'{') {
        return None;
    }
    if let Some(what) = placeholder(bytes) {
        return Some(what);
    }
    match bytes {
        [0x1f, 0x8b, ..] => Some("it is a gzip archive: unpack it first"),
        [b'P', b'K', 3, 4, ..] => Some(
            "it begins as a file of PyTorch, but is not a whole one: the download may be incomplete",
        ),
        [0x80, 2..=5, ..] => Some(
            "it is a pickle of Python without a file of PyTorch around it; save the model's state_dict with torch.save, or as safetensors",
        ),
        [0x89, b'H', b'D', b'F', ..] => Some(
            "it is an HDF5 file, as Keras writes it; weights of PyTorch or safetensors are needed",
        ),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            Some("it is a NumPy array; weights of PyTorch or safetensors are needed")
        }
        _ if is_text(&bytes[..bytes.len().min(512)]) => {
            Some("it is a text; weights of PyTorch or safetensors are needed")
        }
        _ => None,
    }
}

/// What stands in the place of a file that was not downloaded, and what to do.
pub(super) fn placeholder(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes[..bytes.len().min(512)].trim_ascii_start().to_ascii_lowercase();
    if bytes.is_empty() {
        return Some("it is empty: download it again");
    }
    if head.starts_with(b"version https://git-lfs") {
        return Some(
            "it is a Git LFS pointer, a text of a few lines in place of the file: run `git lfs pull` in its repository, or download the file itself",
        );
    }
    if head.starts_with(b"<!doctype") || head.starts_with(b"<html") {
        return Some(
            "it is an HTML page, as a failed or restricted download leaves it: open it in a browser to see why, and download the file again",
        );
    }
    None
}

fn is_text(head: &[u8]) -> bool {
    let text = std::str::from_utf8(head).unwrap_or("\0");
    text.chars().all(|c| !c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let read = || {
            let read = Weights::read(folder.path());
            read.map(|weights| weights.files.concat()).map_err(|error| {
                error.to_string().replace(&folder.path().display().to_string(), "FOLDER")
            })
        };
        assert!(
            read()
                .unwrap_err()
                .starts_with("the checkpoint FOLDER: the folder has no checkpoint: none of model")
        );
        put("epoch=1.ckpt", "only");
        assert_eq!(read().unwrap(), b"only");
        put("last.pth.tar", "another");
        assert_eq!(
            read().unwrap_err(),
            "the checkpoint FOLDER: the folder has several checkpoints; give one: epoch=1.ckpt, last.pth.tar"
        );
        let index = INDEXES[0];
        put(
            index,
            r#"{"weight_map": {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"}}"#,
        );
        put("1.safetensors", "one");
        assert_eq!(
            read().unwrap_err(),
            format!(
                "the checkpoint FOLDER/{index}: it names 2.safetensors, which is not there: download it as well"
            )
        );
        put("2.safetensors", "two");
        assert_eq!(read().unwrap(), b"onetwo");
        put("pytorch_model.bin", "whole");
        assert_eq!(read().unwrap(), b"whole");
        fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
        put(index, r#"{"weight_map": {"a": "../2.safetensors"}}"#);
        assert!(read().unwrap_err().contains("which is not in its folder"));
    }

    #[test]
    fn files_of_other_kinds_are_called_by_their_names() {
        for (bytes, what) in [
            (&b""[..], "it is empty"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer"),
            (b"\n<!DOCTYPE html><html>", "it is an HTML page"),
            (b"\x1f\x8b\x08", "it is a gzip archive"),
            (b"\x80\x04\x95", "it is a pickle of Python"),
            (b"\x89HDF\r\n", "it is an HDF5 file"),
            (b"import torch\n", "it is a text"),
            (b"\x80\x02\0\0\0\0\0\0{", "it is not a complete safetensors file"),
        ] {
            let error = Weights::tensors(&[bytes.to_vec()]).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
    }
}
