//! The list of a data set's images.

use std::{
    collections::HashSet,
    io::Read,
    path::{Path, PathBuf},
};

use shared::{
    Rgb8,
    api::Split,
    dataset::{FolderSource, LeftOut, Transparency},
    run::DataSource,
    settings::DatasetSpec,
};

use super::{
    DataError,
    augment::{Filter, resize},
    error::Unreadable,
    fingerprint, known, layout,
    records::Records,
    shapes,
};
use crate::{
    decode::{DecodeError, Room},
    files,
};

/// One image of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the data set's folder with `/` between its parts; for a record, its file's path and its place in the file
    /// (`data_batch_1.bin/17`, counted from 0); for a drawn picture, a name.
    pub name: String,
    /// Number of its class.
    pub class: u32,
    place: Place,
}

/// Where an image's pixels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Drawn: the picture's number within its split.
    Drawn(u32),
    /// The file of the entry's name.
    File,
    /// A record of a file.
    Record { file: u32, number: u32 },
}

impl Entry {
    /// Picture number `picture` of a split of the built-in data set.
    pub(super) fn drawn(name: String, class: u32, picture: u32) -> Self {
        Self { name, class, place: Place::Drawn(picture) }
    }

    /// A file below the data set's folder.
    pub(super) fn file(name: String, class: u32) -> Self {
        Self { name, class, place: Place::File }
    }

    /// Record `number` of the data set's record file `file`.
    pub(super) fn record(name: String, class: u32, file: usize, number: u32) -> Self {
        Self { name, class, place: Place::Record { file: file as u32, number } }
    }
}

/// The images of a data set: images by class and then by name, or by their place in files of records. An image's place in
/// its split is its index in every poison plan and page.
#[derive(Clone, Debug)]
pub struct Index {
    /// Class names; a class's number is its place here.
    pub classes: Vec<String>,
    /// Training images.
    pub train: Vec<Entry>,
    /// Validation images.
    pub test: Vec<Entry>,
    /// Folder of files; empty for the built-in data set.
    root: PathBuf,
    records: Vec<Records>,
    fingerprint: String,
    transparency: Transparency,
}

impl Index {
    /// Lists a data set's images. Opens none of them but for the fingerprint. Images that `source` names as skipped are left
    /// out.
    ///
    /// # Errors
    /// When the folder does not hold what its layout asks for, with at least two classes, each with images in both splits, or has
    /// changed since the data set was added.
    pub fn open(source: &DataSource) -> Result<Self, DataError> {
        match source {
            DataSource::Builtin => Ok(Self {
                classes: shapes::class_names(),
                train: shapes::entries(Split::Train),
                test: shapes::entries(Split::Test),
                root: PathBuf::new(),
                records: Vec::new(),
                transparency: Transparency::default(),
                fingerprint: shapes::fingerprint(),
            }),
            DataSource::Folder(folder) => Self::open_folder(folder),
        }
    }

    fn open_folder(folder: &FolderSource) -> Result<Self, DataError> {
        let (index, left_over) = Self::list(folder)?;
        drop(left_over);
        Ok(index.without(&folder.skipped.iter().map(String::as_str).collect()))
    }

    /// Lists a folder, its skipped images included, and what is left out.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub(super) fn list(folder: &FolderSource) -> Result<(Self, Vec<LeftOut>), DataError> {
        let root = Path::new(&folder.path);
        let listing = match (layout::list(folder.layout, root, folder.hold_out), &folder.known) {
            (Err(error), Some(known)) => return Err(known::unlisted(folder, known, error)),
            (listing, _) => listing?,
        };
        let index = Self {
            fingerprint: fingerprint::of(root, &listing, folder.transparency),
            classes: listing.classes,
            train: listing.train,
            test: listing.test,
            root: root.into(),
            records: listing.records,
            transparency: folder.transparency,
        };
        if let Some(known) = &folder.known
            && known.fingerprint != index.fingerprint
        {
            return Err(known::changed(folder, known, &index));
        }
        Ok((index, listing.left.into_groups()))
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
        let room = Room::default();
        Ok(squared(&self.pixels(split, entry, &room)?, side))
    }

    /// An image in its own size. Keep the room as long as its pixels.
    pub(super) fn pixels(
        &self,
        split: Split,
        entry: &Entry,
        room: &Room,
    ) -> Result<Rgb8, DataError> {
        match entry.place {
            Place::Drawn(picture) => Ok(shapes::draw(split, picture)),
            Place::File => {
                let path = self.root.join(&entry.name);
                read(&path, self.transparency, room)
                    .map_err(|reason| DataError::Unreadable { path, reason })
            }
            Place::Record { file, number } => {
                self.records[file as usize].picture(number, self.transparency, room)
            }
        }
    }

    /// The images of a split in the order in which they are stored, each as its place in the split. Whoever reads all of them reads them
    /// in this order.
    pub(super) fn stored_order(&self, split: Split) -> Vec<usize> {
        let entries = self.entries(split);
        let mut order: Vec<usize> = (0..entries.len()).collect();
        if self.records.iter().any(Records::in_groups) {
            order.sort_by_key(|&at| match entries[at].place {
                Place::Record { file, number } => (file, number),
                Place::Drawn(_) | Place::File => (0, 0),
            });
        }
        order
    }

    /// SHA-256 in hex over the names and sizes of all files, the left-out ones included, and over parts of their content:
    /// the head of `data/fingerprint.rs` says which (built-in: over the drawing's version, seed and size).
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

/// The whole of an image resized to `side` x `side` pixels, whatever its shape: what a model sees of it.
pub(super) fn squared(image: &Rgb8, side: usize) -> Rgb8 {
    resize(image, side, side, Filter::Bilinear)
}

/// An image file that is in no data set, as [`Index::load`] gives those that are: the whole of it resized to `side` x `side` pixels.
/// Transparent pixels are blended with white.
///
/// # Errors
/// When the file cannot be read as an image within the default limits.
pub fn picture(path: &Path, side: usize) -> Result<Rgb8, DataError> {
    let room = Room::default();
    let image = read(path, Transparency::White, &room)
        .map_err(|reason| DataError::Unreadable { path: path.into(), reason })?;
    Ok(squared(&image, side))
}

/// Reads and decodes a file. A file that is too long is not read to its end.
fn read(path: &Path, transparency: Transparency, room: &Room) -> Result<Rgb8, Unreadable> {
    let limits = room.limits();
    let file = files::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > limits.max_bytes {
        return Err(DecodeError::TooLong { bytes, max: limits.max_bytes }.into());
    }
    let mut content = Vec::with_capacity(bytes as usize);
    file.take(limits.max_bytes + 1).read_to_end(&mut content)?;
    Ok(room.decode(&content, transparency)?)
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
