//! Files with many images: pixels one behind the other, Parquet shards, tar shards. They are read in place, an image at a time; no file
//! is read into memory as a whole.

mod parquet;
mod raw;
mod tar;

use std::{io, path::Path};

use shared::{Rgb8, dataset::Transparency};

use super::{DataError, error::Unreadable};
use crate::decode::{DecodeError, Format, Room};

pub(super) use self::{
    parquet::{Groups, Label, ParquetFile},
    raw::{Order, RecordFile, Shape, checked_label},
    tar::{Member, TarFile},
};

/// A file with many images.
#[derive(Clone, Debug)]
pub(super) enum Records {
    /// Pixels.
    Raw(RecordFile),
    /// Image files in a column.
    Parquet(ParquetFile),
    /// Image files in an archive.
    Tar(TarFile),
}

impl Records {
    /// Reads image `n`.
    ///
    /// # Errors
    /// When the file has changed or cannot be read, or the image in it cannot.
    pub fn picture(
        &self,
        n: u32,
        transparency: Transparency,
        room: &Room,
    ) -> Result<Rgb8, DataError> {
        let decoded = match self {
            Self::Raw(file) => return file.picture(n),
            Self::Parquet(file) => room.decode(file.image(n)?.data(), transparency),
            Self::Tar(file) => room.decode(&file.image(n)?, transparency),
        };
        decoded.map_err(|reason| {
            let path = match self {
                Self::Parquet(file) => file.path(),
                Self::Tar(file) => file.path(),
                Self::Raw(file) => file.path(),
            };
            DataError::Unreadable { path: path.join(n.to_string()), reason: reason.into() }
        })
    }

    /// Whether reading an image costs as much as reading all that are stored with it.
    pub fn in_groups(&self) -> bool {
        matches!(self, Self::Parquet(_))
    }
}

impl From<RecordFile> for Records {
    fn from(file: RecordFile) -> Self {
        Self::Raw(file)
    }
}

fn unreadable(path: &Path, source: io::Error) -> DataError {
    DataError::Unreadable { path: path.into(), reason: Unreadable::Io(source) }
}

/// The error for a file that is not of the kind its name says; `head` are its first bytes.
fn other_kind(path: &Path, kind: &str, head: &[u8], otherwise: &str) -> DataError {
    let reason = match Format::of(head) {
        _ if head.is_empty() => "it is empty; the download or the copy may be incomplete".into(),
        _ if head.starts_with(&[0x1f, 0x8b]) => "it is compressed by gzip; unpack it first".into(),
        _ if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => {
            "it is compressed by Zstandard; unpack it first".into()
        }
        Err(DecodeError::NotAnImage { found }) if found != "binary data" => {
            format!("it is {found}, not a {kind} file")
        }
        _ => format!("it is no whole {kind} file: {otherwise}"),
    };
    DataError::Member { file: path.into(), reason }
}
