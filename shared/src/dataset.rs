//! Data sets: their description, and the source of their images.

use serde::{Deserialize, Serialize};

use crate::layout::Layout;

/// A file that a data set skips.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SkippedFile {
    /// Path below the data set's folder.
    pub path: String,
    /// Why it is skipped.
    pub reason: String,
}

/// Files of a folder that belong to no class, or that the layout does not read, with one reason in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LeftOut {
    /// Why they are left out.
    pub reason: String,
    /// Number of them.
    pub count: u32,
    /// The first of them, as paths below the data set's folder.
    pub first: Vec<String>,
}

/// A data set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetInfo {
    /// Name.
    pub name: String,
    /// Whether the program draws its images.
    pub builtin: bool,
    /// The layout of its folder.
    #[serde(default)]
    pub layout: Layout,
    /// Folder of an added data set, which contains the layout's files.
    pub path: Option<String>,
    /// Class names; a class's number is its index here.
    pub classes: Vec<String>,
    /// Training images of each class.
    pub train_counts: Vec<u32>,
    /// Validation images of each class.
    pub test_counts: Vec<u32>,
    /// SHA-256 over the relative paths and sizes of all files and parts of their content (built-in: over the drawing's
    /// version and seed), in hex.
    pub fingerprint: String,
    /// Files (or records of a file) that were skipped because they cannot be read as an image. The store has all of them; an API response
    /// may hold only the first ones ([`DatasetInfo::abridged`]).
    pub skipped: Vec<SkippedFile>,
    /// Total number of skipped files.
    pub skipped_total: u32,
    /// Files that are not images of the layout, by reason.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// What becomes of transparent pixels.
    #[serde(default = "Transparency::before")]
    pub transparency: Transparency,
    /// Unix time in milliseconds at which it was added; 0 for the built-in one.
    pub added_at: u64,
}

impl DatasetInfo {
    /// The source of the images, without the skipped files. Requires the unabridged data set.
    pub fn source(&self) -> DataSource {
        match &self.path {
            Some(path) if !self.builtin => DataSource::Folder(FolderSource {
                path: path.clone(),
                layout: self.layout,
                skipped: self.skipped.iter().map(|file| file.path.clone()).collect(),
                transparency: self.transparency,
                known: Some(KnownFolder {
                    dataset: self.name.clone(),
                    fingerprint: self.fingerprint.clone(),
                    classes: self.classes.clone(),
                    train: self.train_counts.iter().sum(),
                    test: self.test_counts.iter().sum(),
                    names: None,
                }),
            }),
            _ => DataSource::Builtin,
        }
    }

    /// The data set with only the first 100 of its skipped files.
    pub fn abridged(mut self) -> Self {
        self.skipped.truncate(100);
        self
    }
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Training images.
    Train,
    /// Validation images.
    Test,
}

/// What becomes of transparent pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Transparency {
    /// They keep the colour that they would show without their alpha, as in Pillow's `convert("RGB")` and torchvision's loader.
    #[default]
    Drop,
    /// They are laid on white.
    White,
}

impl Transparency {
    /// What data sets have that were added before there was a choice.
    fn before() -> Self {
        Self::White
    }
}

/// The source of a data set's images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DataSource {
    /// The built-in data set, which the program draws.
    Builtin,
    /// A folder of image files, or of files with many images each.
    Folder(FolderSource),
}

/// A folder of image files, or of files with many images each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FolderSource {
    /// The folder.
    pub path: String,
    /// The layout of the folder. Stored here for the same reason as the skipped files.
    #[serde(default)]
    pub layout: Layout,
    /// Skipped files, as paths below the folder: those that were unreadable when the data set was added. They are
    /// stored, not determined again by each run, so that an index means the same image in every plan and page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What becomes of transparent pixels.
    #[serde(default = "Transparency::before")]
    pub transparency: Transparency,
    /// What the folder has to hold. Without it any content is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownFolder>,
}

/// The content of a folder when its data set was added. A folder with another content is not read: its classes might have other
/// numbers, and its indices would mean other images.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KnownFolder {
    /// Name of the data set.
    pub dataset: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its class names.
    pub classes: Vec<String>,
    /// Number of its training images.
    pub train: u32,
    /// Number of its validation images.
    pub test: u32,
    /// A file with the names of its images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
}
