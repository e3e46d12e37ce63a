//! Data sets and their images.

use serde::{Deserialize, Serialize};

use super::Layout;
use crate::run::DataSource;

/// A file that a data set leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkippedFile {
    /// Path below the data set's folder.
    pub path: String,
    /// Why it is left out.
    pub reason: String,
}

/// A data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetInfo {
    /// Name.
    pub name: String,
    /// Whether the program draws it itself.
    pub builtin: bool,
    /// How its images lie in its folder.
    #[serde(default)]
    pub layout: Layout,
    /// Folder of an added data set: the one that the layout's files lie in.
    pub path: Option<String>,
    /// Class names; a class's number is its place here.
    pub classes: Vec<String>,
    /// Training images of each class.
    pub train_counts: Vec<u32>,
    /// Validation images of each class.
    pub test_counts: Vec<u32>,
    /// SHA-256 over the relative paths and sizes of all files and parts of their content (built-in: over the drawing's
    /// version and seed), in hex.
    pub fingerprint: String,
    /// Files (or records of a file) that were left out because they cannot be read as an image. All of them in the store; a served body may
    /// hold the first ones only ([`DatasetInfo::abridged`]).
    pub skipped: Vec<SkippedFile>,
    /// Number of all files left out.
    pub skipped_total: u32,
    /// Unix time in milliseconds at which it was added; 0 for the built-in one.
    pub added_at: u64,
}

impl DatasetInfo {
    /// Where the images come from, without the files that were left out. Takes the unabridged data set.
    pub fn source(&self) -> DataSource {
        match &self.path {
            Some(path) if !self.builtin => DataSource::Folder {
                path: path.clone(),
                layout: self.layout,
                skipped: self.skipped.iter().map(|file| file.path.clone()).collect(),
            },
            _ => DataSource::Builtin,
        }
    }

    /// The data set with the first 100 of the files that were left out.
    pub fn abridged(mut self) -> Self {
        self.skipped.truncate(100);
        self
    }
}

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Training images.
    Train,
    /// Validation images.
    Test,
}

/// Adds a folder in one of the known layouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddDataset {
    /// Name to call it by: letters, digits, `-` and `_`.
    pub name: String,
    /// Folder on the server's machine.
    pub path: String,
}

/// Some images of a data set, resized to squares: what an attack editor needs to draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Samples {
    /// Side of each image in pixels.
    pub side: u32,
    /// The images.
    pub items: Vec<SampleImage>,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SampleImage {
    /// Index within the split.
    pub index: u32,
    /// Its class.
    pub class: u32,
    /// File below the data set's folder, or a name for a drawn picture.
    pub name: String,
    /// `side * side * 3` bytes of RGB in base64.
    pub rgb: String,
}
