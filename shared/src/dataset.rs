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
    /// The share of the training images that validates, where the folder has no validation images of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<HoldOut>,
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
                hold_out: self.hold_out,
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

/// A share of each class's training images that validates instead of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HoldOut {
    /// Its size, as a fraction of the class: 0.001 to 0.9.
    #[cfg_attr(feature = "openapi", schema(value_type = f64, minimum = 0.001, maximum = 0.9))]
    pub share: Share,
    /// Seed of the draw.
    #[serde(default)]
    pub seed: u64,
}

/// A fraction from 0.001 to 0.9 in thousandths. As JSON it is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(u16);

impl Share {
    /// How many of `count` images it is: the nearest number, but at least one, and at least one stays.
    pub fn of(self, count: usize) -> usize {
        let nearest = (count * usize::from(self.0) + 500) / 1000;
        nearest.clamp(1, count.saturating_sub(1).max(1))
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        let thousandths = (share * 1000.0).round();
        if (1.0..=900.0).contains(&thousandths) {
            Ok(Self(thousandths as u16))
        } else {
            Err(format!("takes a fraction from 0.001 to 0.9, such as 0.1, not {share}"))
        }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.0) / 1000.0
    }
}

impl std::str::FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: f64 = text.trim().parse().map_err(|_| {
            format!("takes a fraction from 0.001 to 0.9, such as 0.1, not {text:?}")
        })?;
        Self::try_from(number)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f64::from(*self).fmt(f)
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
    /// The share of the training images that validates, where the folder has no validation images of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<HoldOut>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_leaves_images_on_both_sides() {
        let share: Share = "0.1".parse().unwrap();
        assert_eq!([1, 2, 4, 5, 14, 15, 1300].map(|n| share.of(n)), [1, 1, 1, 1, 1, 2, 130]);
        let most: Share = "0.9".parse().unwrap();
        assert_eq!([2, 3, 10].map(|n| most.of(n)), [1, 2, 9]);
        for bad in ["0", "1", "0.0001", "-0.1", "NaN", "ten"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&share).unwrap(), "0.1");
        assert!(serde_json::from_str::<Share>("0.95").is_err());
    }
}
