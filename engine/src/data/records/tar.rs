//! Tar shards: archives whose members are read where they lie.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{super::DataError, other_kind, unreadable};
use crate::files;

/// A file in an archive.
#[derive(Clone, Debug)]
pub(in crate::data) struct Member {
    /// Its path in the archive.
    pub name: String,
    /// Where its content begins.
    start: u64,
    /// Length of its content in bytes.
    pub bytes: u64,
}

/// An archive, with the members that are images.
#[derive(Clone, Debug)]
pub(in crate::data) struct TarFile {
    path: PathBuf,
    /// Copies share its reading position; whoever reads holds it.
    file: Arc<Mutex<File>>,
    images: Arc<[(u64, u64)]>,
}

impl TarFile {
    /// Opens an archive and lists its regular files in their order. Members whose names are not UTF-8 are listed with replaced
    /// characters.
    ///
    /// # Errors
    /// When it is no tar file, or cut.
    pub fn open(path: &Path) -> Result<(Self, Vec<Member>), DataError> {
        let failed = |source| unreadable(path, source);
        let mut file = files::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&mut file).take(1024).read_to_end(&mut head).map_err(failed)?;
        // POSIX and GNU archives have this word; an empty archive is zeros.
        if head.get(257..262) != Some(b"ustar")
            && !(head.len() == 1024 && head.iter().all(|&b| b == 0))
        {
            return Err(other_kind(path, "tar", &head, "it does not begin with a tar header"));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let members = members(&file, length).map_err(|error| DataError::Member {
            file: path.into(),
            reason: format!("it is damaged, or no whole tar file ({error})"),
        })?;
        let file = Self { path: path.into(), file: Arc::new(Mutex::new(file)), images: [].into() };
        Ok((file, members))
    }

    /// The archive with these members as its images.
    pub fn with_images(self, images: &[Member]) -> Self {
        let images = images.iter().map(|member| (member.start, member.bytes)).collect();
        Self { images, ..self }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Image `n`.
    pub(super) fn image(&self, n: u32) -> Result<Vec<u8>, DataError> {
        let (start, bytes) = self.images[n as usize];
        self.content(start, bytes)
    }

    /// The content of a member.
    ///
    /// # Errors
    /// When the file has become shorter or cannot be read.
    pub fn read(&self, member: &Member) -> Result<Vec<u8>, DataError> {
        self.content(member.start, member.bytes)
    }

    fn content(&self, start: u64, bytes: u64) -> Result<Vec<u8>, DataError> {
        let mut content = vec![0; bytes as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.read_exact(&mut content))
            .map_err(|source| unreadable(&self.path, source))?;
        Ok(content)
    }
}

/// The regular files of an archive of this length.
fn members(file: &File, length: u64) -> std::io::Result<Vec<Member>> {
    // Without a buffer: between two headers the file is skipped.
    let mut archive = ::tar::Archive::new(file);
    let mut found = Vec::new();
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let (start, bytes) = (entry.raw_file_position(), entry.size());
        if start.checked_add(bytes).is_none_or(|end| end > length) {
            return Err(std::io::Error::other("it ends within its last file"));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        found.push(Member { name, start, bytes });
    }
    Ok(found)
}
