//! Data sets: what is known of one, and where its images come from.

use serde::{Deserialize, Serialize};

use crate::layout::Layout;

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

/// Where a data set's images come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DataSource {
    /// The data set that the program draws itself.
    Builtin,
    /// A folder of images or of files of many images.
    Folder {
        /// The folder.
        path: String,
        /// How the images lie in it. Kept here like what is skipped, and for the same reason.
        #[serde(default)]
        layout: Layout,
        /// Files that are left out, as paths below the folder: what was unreadable when the data set was added. Kept
        /// here, not found anew by each run, so that an index means the same image in every plan and page.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        skipped: Vec<String>,
    },
}
