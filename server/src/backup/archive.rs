//! The format of a backup: a tar file, compressed by zstd.
//!
//! | entry | holds |
//! |---|---|
//! | `backup.json`, the first | the [`Header`]: versions, and what the backup has |
//! | `maskdoor.sqlite` | the copy of the database |
//! | `runs/`, `keys/`, `pictures/`, `datasets/`, `checkpoints/`, `audit.log` | the files, named as in the data folder |
//! | `manifest.json`, the last | the [`Manifest`]: size and SHA-256 of each file |
//!
//! Two names of one file are stored once; the manifest says which file the other name is. The order serves a single pass: what cannot be
//! restored is known from the beginning, and a hash when its file was read.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use engine::files::Part;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BackupError, cut};
use crate::audit;

/// Version of the format.
pub const FORMAT: u32 = 1;
/// The database in a backup.
pub const DATABASE: &str = "maskdoor.sqlite";
const HEADER: &str = "backup.json";
const MANIFEST: &str = "manifest.json";
/// Longest header that is read, in bytes.
const LONGEST_HEADER: u64 = 64 << 10;
/// Longest manifest that is read: a few million files.
const LONGEST_MANIFEST: u64 = 1 << 30;
/// zstd's usual level: checkpoints hardly become smaller at higher ones, and events are small at this one.
const LEVEL: i32 = 3;

/// The beginning of a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub format: u32,
    /// Version of the program that made it.
    pub program: String,
    /// Version of the database's tables.
    pub tables: i64,
    /// When it was begun, in Unix milliseconds.
    pub made_at: u64,
    /// Number of studies.
    pub studies: u64,
    /// Number of runs.
    pub runs: u64,
    /// Bytes of all files when it was begun.
    pub bytes: u64,
    /// Whether the checkpoints of runs were left out.
    pub without_checkpoints: bool,
}

/// The end of a backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The files, by their names below the data folder.
    pub files: BTreeMap<String, Entry>,
    /// Further names of files: name, and the file that it is.
    pub names: BTreeMap<String, String>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// Writes a backup. Nothing of it stays unless it is finished.
pub(super) struct Writer {
    path: PathBuf,
    tar: tar::Builder<zstd::Encoder<'static, Part>>,
    manifest: Manifest,
    /// Files that may have further names, by device and inode.
    linked: HashMap<(u64, u64), String>,
    /// Bytes of all files so far.
    pub bytes: u64,
}

impl Writer {
    pub fn create(path: &Path, header: &Header) -> Result<Self, BackupError> {
        let failed = |source| BackupError::File { path: path.to_owned(), source };
        let part = Part::create(path).map_err(failed)?;
        let mut encoder = zstd::Encoder::new(part, LEVEL).map_err(failed)?;
        encoder.include_checksum(true).map_err(failed)?;
        let mut tar = tar::Builder::new(encoder);
        let json = json(header)?;
        append(&mut tar, HEADER, &json[..], json.len() as u64, header.made_at / 1000)
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            tar,
            manifest: Manifest::default(),
            linked: HashMap::new(),
            bytes: 0,
        })
    }

    /// Adds the first `length` bytes of a file; `from` is where it is.
    pub fn add(
        &mut self,
        name: &str,
        from: &Path,
        file: File,
        length: u64,
    ) -> Result<(), BackupError> {
        let found = file.metadata().map_err(BackupError::file(from))?;
        if found.nlink() > 1
            && let Some(first) = self.linked.get(&cut::number(&found))
        {
            self.manifest.names.insert(name.to_owned(), first.clone());
            return Ok(());
        }
        let mut reader = Hashing::new(file.take(length));
        let modified = u64::try_from(found.mtime()).unwrap_or(0);
        let appended = append(&mut self.tar, name, &mut reader, length, modified);
        if let Some(source) = reader.failed {
            return Err(BackupError::File { path: from.to_owned(), source });
        }
        appended.map_err(BackupError::file(&self.path))?;
        if reader.bytes != length {
            return Err(BackupError::Changed(from.to_owned()));
        }
        if found.nlink() > 1 {
            self.linked.insert(cut::number(&found), name.to_owned());
        }
        self.bytes += length;
        self.manifest.files.insert(name.to_owned(), reader.entry());
        Ok(())
    }

    /// Number of files so far.
    pub fn files(&self) -> usize {
        self.manifest.files.len() + self.manifest.names.len()
    }

    /// Writes the manifest, and gives the file its name.
    pub fn finish(mut self) -> Result<(), BackupError> {
        let json = json(&self.manifest)?;
        let finished = append(&mut self.tar, MANIFEST, &json[..], json.len() as u64, 0)
            .and_then(|()| self.tar.into_inner()?.finish()?.finish());
        finished.map_err(BackupError::file(&self.path))
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec_pretty(value).map_err(|error| BackupError::Internal(error.to_string()))
}

fn append(
    tar: &mut tar::Builder<impl Write>,
    name: &str,
    content: impl Read,
    length: u64,
    modified: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(length);
    header.set_mode(0o644);
    header.set_mtime(modified);
    tar.append_data(&mut header, name, content)
}

/// Hashes what is read.
struct Hashing<R> {
    reader: R,
    hash: Sha256,
    bytes: u64,
    /// The error of the reader, so that it is not taken for one of the writer.
    failed: Option<io::Error>,
}

impl<R> Hashing<R> {
    fn new(reader: R) -> Self {
        Self { reader, hash: Sha256::new(), bytes: 0, failed: None }
    }

    fn entry(self) -> Entry {
        Entry { bytes: self.bytes, sha256: format!("{:x}", self.hash.finalize()) }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(bytes) {
            Ok(read) => {
                self.hash.update(&bytes[..read]);
                self.bytes += read as u64;
                Ok(read)
            }
            Err(error) => {
                let kind = error.kind();
                self.failed = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Why a file is no backup that can be restored.
type Reason = String;

/// Reads the beginning of a backup and leaves the rest to [`unpack`].
///
/// # Errors
/// In words, when the file is no backup, or of a newer format.
pub(super) fn header<R: Read>(entries: &mut tar::Entries<'_, R>) -> Result<Header, Reason> {
    let not_one = |why: &dyn std::fmt::Display| format!("it is not a backup of maskdoor ({why})");
    let first = entries.next().ok_or_else(|| not_one(&"it is empty"))?;
    let first = first.map_err(|error| not_one(&error))?;
    if first.path_bytes() != HEADER.as_bytes() || first.size() > LONGEST_HEADER {
        return Err(not_one(&format_args!("it does not begin with {HEADER}")));
    }
    let mut text = Vec::new();
    first.take(LONGEST_HEADER).read_to_end(&mut text).map_err(|error| broken(&error))?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| not_one(&error))?;
    // Of a newer format nothing else is known.
    let format = value["format"].as_u64().ok_or_else(|| not_one(&"its format has no number"))?;
    if format > u64::from(FORMAT) {
        let program = value["program"].as_str().unwrap_or("a later version");
        return Err(format!(
            "its format is {format}, and this program knows {FORMAT}. It was made by maskdoor {program}: restore it with that version \
             or a later one"
        ));
    }
    serde_json::from_value(value).map_err(|error| not_one(&error))
}

/// Writes the files of a backup, whose header was read, into the empty folder `root`; `told` hears how many bytes are written, and says
/// whether to stop. Returns the number of files.
///
/// # Errors
/// When the backup is not whole or has something that no backup has, or a file cannot be written.
pub(super) fn unpack<R: Read>(
    entries: &mut tar::Entries<'_, R>,
    root: &Path,
    mut told: impl FnMut(u64) -> Result<(), BackupError>,
    wrong: impl Fn(Reason) -> BackupError,
) -> Result<usize, BackupError> {
    let mut found = BTreeMap::new();
    let (mut manifest, mut bytes) = (None, 0);
    for entry in entries {
        let mut entry = entry.map_err(|error| wrong(broken(&error)))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if manifest.is_some() {
            return Err(wrong(format!("{name:?} comes after its manifest")));
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(wrong(format!("{name:?} is not a regular file")));
        }
        if name == MANIFEST {
            let mut text = Vec::new();
            let read = entry.take(LONGEST_MANIFEST).read_to_end(&mut text);
            read.map_err(|error| wrong(broken(&error)))?;
            let list = serde_json::from_slice::<Manifest>(&text);
            manifest = Some(
                list.map_err(|error| wrong(format!("its manifest cannot be read ({error})")))?,
            );
            continue;
        }
        if !is_known(&name) {
            return Err(wrong(format!("{name:?} does not belong into a data folder")));
        }
        let path = root.join(&name);
        let mut file = create(&path).map_err(BackupError::file(&path))?;
        let expected = entry.size();
        let mut reader = Hashing::new(&mut entry);
        let mut chunk = vec![0; 256 << 10];
        loop {
            let read = reader.read(&mut chunk).map_err(|_| {
                wrong(broken(&reader.failed.take().unwrap_or_else(|| io::ErrorKind::Other.into())))
            })?;
            if read == 0 {
                break;
            }
            file.write_all(&chunk[..read]).map_err(BackupError::file(&path))?;
            bytes += read as u64;
            told(bytes)?;
        }
        if reader.bytes != expected {
            return Err(wrong(broken(&io::ErrorKind::UnexpectedEof.into())));
        }
        found.insert(name, reader.entry());
    }
    let manifest =
        manifest.ok_or_else(|| wrong("it is cut off: its manifest is missing".into()))?;
    for (name, entry) in &manifest.files {
        match found.remove(name) {
            None => return Err(wrong(format!("{name:?} of its manifest is missing"))),
            Some(other) if other != *entry => {
                return Err(wrong(format!(
                    "{name:?} is damaged: its hash or size is not that of the manifest"
                )));
            }
            Some(_) => {}
        }
    }
    if let Some(name) = found.keys().next() {
        return Err(wrong(format!("{name:?} is not in its manifest")));
    }
    if !manifest.files.contains_key(DATABASE) {
        return Err(wrong(format!("it has no {DATABASE}")));
    }
    for (name, file) in &manifest.names {
        if !is_known(name)
            || manifest.files.contains_key(name)
            || !manifest.files.contains_key(file)
        {
            return Err(wrong(format!(
                "its manifest has {name:?} as a name of {file:?}, which cannot be"
            )));
        }
        let path = root.join(name);
        let folder = path.parent().unwrap_or(root);
        std::fs::create_dir_all(folder)
            .and_then(|()| engine::files::link(&root.join(file), &path))
            .map_err(BackupError::file(&path))?;
    }
    Ok(manifest.files.len() + manifest.names.len())
}

/// A new file in a folder that is made where it is missing.
fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    File::create_new(path)
}

fn broken(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
        _ => format!("it is cut off or damaged ({error})"),
    }
}

/// Whether a backup may have a file of this name. No other name is written, so none leads out of the folder.
pub(super) fn is_known(name: &str) -> bool {
    let path = Path::new(name);
    let mut parts = Vec::new();
    for component in path.components() {
        let Component::Normal(part) = component else { return false };
        parts.push(part.to_str().unwrap_or_default());
    }
    // Without `./`, `//` or a slash at the end, a file has one name only.
    let plain = parts.join("/") == name && !name.contains(['\\', '\0']);
    plain
        && match parts[..] {
            [file] => {
                file == DATABASE
                    || file == audit::FILE
                    || file.strip_prefix(audit::FILE).is_some_and(|end| end == ".1")
            }
            ["keys" | "pictures" | "datasets", _]
            | ["checkpoints" | "runs", _, _]
            | ["runs", _, _, _] => true,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_a_data_folder_are_known() {
        for name in [
            "maskdoor.sqlite",
            "audit.log.1",
            "keys/a.png",
            "pictures/a.png",
            "datasets/cifar@2.names.gz",
            "runs/a/run.json",
            "runs/study/a/run.json",
            "checkpoints/mae/checkpoint.safetensors",
        ] {
            assert!(is_known(name), "{name}");
        }
        for name in [
            "",
            "/etc/passwd",
            "../maskdoor.sqlite",
            "runs/../../x",
            "runs/a/../b",
            "./maskdoor.sqlite",
            "keys//a.png",
            "keys/a/",
            "keys/a/b",
            "runs/a",
            "runs/a/b/c/d",
            "runs/a\\b/c",
            "scheduler.lock",
            "maskdoor.sqlite-wal",
            "other/a",
        ] {
            assert!(!is_known(name), "{name}");
        }
    }
}
