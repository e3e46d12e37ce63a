//! The list of a data set's images.

use shared::{Rgb8, api::Split, run::DataSource, study::DatasetSpec};

use super::DataError;

/// One image of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the data set's folder with `/` between its parts, or a name for a drawn picture.
    pub name: String,
    /// Number of its class.
    pub class: u32,
}

/// The images of a data set: classes by name, images by class and then by name.
#[derive(Clone, Debug)]
pub struct Index {
    /// Class names; a class's number is its place here.
    pub classes: Vec<String>,
    /// Training images.
    pub train: Vec<Entry>,
    /// Validation images.
    pub test: Vec<Entry>,
}

impl Index {
    /// Lists a data set's images. Opens none of them; those that `source` names as skipped are left out.
    ///
    /// # Errors
    /// When the folder is no image folder of at least two classes.
    pub fn open(source: &DataSource) -> Result<Self, DataError> {
        let _ = source;
        unimplemented!()
    }

    /// The first images of each class by name, as many as the study wants.
    pub fn limited(self, spec: &DatasetSpec) -> Self {
        let _ = spec;
        unimplemented!()
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

    /// Image `i` of a split, the whole of it resized to `side` x `side` pixels.
    ///
    /// # Errors
    /// When the file cannot be read as an image; when the split has no image `i`.
    pub fn load(&self, split: Split, i: usize, side: usize) -> Result<Rgb8, DataError> {
        let _ = (split, i, side);
        unimplemented!()
    }

    /// SHA-256 in hex over the relative paths and sizes of all files (built-in: over the drawing's version and seed).
    pub fn fingerprint(&self) -> String {
        unimplemented!()
    }
}
