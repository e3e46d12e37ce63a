//! The list of a data set's images.

use std::{
    collections::HashSet,
    fmt::Write,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use shared::{Rgb8, api::Split, resize, run::DataSource, study::DatasetSpec};

use super::{
    DataError,
    error::Unreadable,
    folder::{self, Listing},
    shapes,
};
use crate::decode::{DecodeError, Limits, decode};

/// One image of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the data set's folder with `/` between its parts, or a name for a drawn picture.
    pub name: String,
    /// Number of its class.
    pub class: u32,
    /// Number of a drawn picture within its split; 0 for a file.
    picture: u32,
}

impl Entry {
    pub(super) fn new(name: String, class: u32, picture: u32) -> Self {
        Self { name, class, picture }
    }
}

/// Where the pixels come from.
#[derive(Clone, Debug)]
enum Origin {
    Drawn,
    Folder(PathBuf),
}

/// The images of a data set: classes by name, images by class and then by name. An image's place in its split is its
/// index in every poison plan and page.
#[derive(Clone, Debug)]
pub struct Index {
    /// Class names; a class's number is its place here.
    pub classes: Vec<String>,
    /// Training images.
    pub train: Vec<Entry>,
    /// Validation images.
    pub test: Vec<Entry>,
    origin: Origin,
    fingerprint: String,
}

impl Index {
    /// Lists a data set's images. Opens none of them. Files that `source` names as skipped are left out.
    ///
    /// # Errors
    /// When the folder is no image folder of at least two classes, each with files in both splits.
    pub fn open(source: &DataSource) -> Result<Self, DataError> {
        match source {
            DataSource::Builtin => Ok(Self {
                classes: shapes::class_names(),
                train: shapes::entries(Split::Train),
                test: shapes::entries(Split::Test),
                origin: Origin::Drawn,
                fingerprint: shapes::fingerprint(),
            }),
            DataSource::Folder { path, skipped } => {
                let listing = folder::list(Path::new(path))?;
                let fingerprint = fingerprint(&listing);
                let entries =
                    |files: Vec<folder::File>| files.into_iter().map(|file| file.entry).collect();
                let index = Self {
                    classes: listing.classes,
                    train: entries(listing.train),
                    test: entries(listing.test),
                    origin: Origin::Folder(path.into()),
                    fingerprint,
                };
                Ok(index.without(&skipped.iter().map(String::as_str).collect()))
            }
        }
    }

    /// The index without the images of these names.
    pub(super) fn without(mut self, names: &HashSet<&str>) -> Self {
        self.train.retain(|entry| !names.contains(entry.name.as_str()));
        self.test.retain(|entry| !names.contains(entry.name.as_str()));
        self
    }

    /// The first images of each class by name, as many as the study wants. The fingerprint stays the whole data set's.
    pub fn limited(mut self, spec: &DatasetSpec) -> Self {
        keep_first(&mut self.train, self.classes.len(), spec.train_per_class);
        keep_first(&mut self.test, self.classes.len(), spec.test_per_class);
        self
    }

    /// The images of a split.
    pub fn entries(&self, split: Split) -> &[Entry] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// The classes of a split's images.
    pub fn labels(&self, split: Split) -> Vec<u32> {
        self.entries(split).iter().map(|entry| entry.class).collect()
    }

    /// Number of images of each class in a split.
    pub fn counts(&self, split: Split) -> Vec<u32> {
        let mut counts = vec![0; self.classes.len()];
        for entry in self.entries(split) {
            counts[entry.class as usize] += 1;
        }
        counts
    }

    /// Image `i` of a split, the whole of it resized to `side` x `side` pixels.
    ///
    /// # Errors
    /// When the file cannot be read as an image, or the split has no image `i`.
    pub fn load(&self, split: Split, i: usize, side: usize) -> Result<Rgb8, DataError> {
        let entries = self.entries(split);
        let entry =
            entries.get(i).ok_or(DataError::NoImage { split, index: i, count: entries.len() })?;
        Ok(resize::bilinear(&self.pixels(split, entry)?, side, side))
    }

    /// An image in its own size.
    pub(super) fn pixels(&self, split: Split, entry: &Entry) -> Result<Rgb8, DataError> {
        match &self.origin {
            Origin::Drawn => Ok(shapes::draw(split, entry.picture)),
            Origin::Folder(root) => {
                let path = root.join(&entry.name);
                read(&path).map_err(|reason| DataError::Unreadable { path, reason })
            }
        }
    }

    /// SHA-256 in hex over the relative paths and sizes of all files, the left-out ones included (built-in: over the
    /// drawing's version, seed and size).
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// Reads and decodes a file. A file that is too long is not read to its end.
fn read(path: &Path) -> Result<Rgb8, Unreadable> {
    let limits = Limits::default();
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > limits.max_bytes {
        return Err(DecodeError::TooLong { bytes, max: limits.max_bytes }.into());
    }
    let mut content = Vec::with_capacity(bytes as usize);
    file.take(limits.max_bytes + 1).read_to_end(&mut content)?;
    Ok(decode(&content, limits)?)
}

fn keep_first(entries: &mut Vec<Entry>, classes: usize, limit: Option<u32>) {
    let Some(limit) = limit else { return };
    let mut kept = vec![0; classes];
    entries.retain(|entry| {
        let count = &mut kept[entry.class as usize];
        *count += 1;
        *count <= limit
    });
}

fn fingerprint(listing: &Listing) -> String {
    let mut hash = Sha256::new();
    for file in listing.train.iter().chain(&listing.test) {
        hash.update(file.entry.name.as_bytes());
        hash.update([0]); // no name holds it, so two listings never read as one
        hash.update(file.bytes.to_le_bytes());
    }
    hex(&hash.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes all that is written
        text
    })
}
