//! What can be wrong with a data set.

use std::path::PathBuf;

use shared::api::Split;

use crate::decode::DecodeError;

/// What is wrong with a data set, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing lies at the path.
    #[error("{0} does not exist; give the folder that holds `train` and `val` or `test`")]
    Missing(PathBuf),
    /// A file lies at the path.
    #[error("{0} is a file; give the folder that holds `train` and `val` or `test`")]
    NotAFolder(PathBuf),
    /// There are no training images.
    #[error("{0} has no folder `train`; training images lie in train/<class>/")]
    NoTrain(PathBuf),
    /// There are no validation images.
    #[error("{0} has neither a folder `val` nor `test`; validation images lie in val/<class>/")]
    NoTest(PathBuf),
    /// Fewer than two classes.
    #[error("{folder} has {found}; a classifier needs at least two, each a folder of images")]
    TooFewClasses {
        /// The split's folder.
        folder: PathBuf,
        /// The classes in words.
        found: String,
    },
    /// A class folder without an image file.
    #[error(
        "{0} holds no JPEG, PNG or WebP file; every class needs at least one image in `train` and in `val` or `test`"
    )]
    EmptyClass(PathBuf),
    /// The validation images have other classes than the training images.
    #[error("the classes of `{test}` are not those of `train`: {difference}")]
    OtherClasses {
        /// `val` or `test`.
        test: &'static str,
        /// Which are missing and which are too many.
        difference: String,
    },
    /// All images of a class are unreadable.
    #[error(
        "no image of {folder} can be read ({first_file}: {first_reason}); every class needs at least one"
    )]
    NoReadable {
        /// The class's folder below the data set's, as in `train/cat`.
        folder: String,
        /// Its first file.
        first_file: String,
        /// Why that cannot be read.
        first_reason: String,
    },
    /// A file that is listed cannot be read as an image.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: Unreadable,
    },
    /// A name that is not UTF-8 cannot be stored with a run.
    #[error("{0}: the name is not valid UTF-8; rename it")]
    Name(PathBuf),
    /// A folder that cannot be listed.
    #[error("{path}: the folder cannot be listed: {source}")]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An index behind the last image.
    #[error("there is no image {index} in the {} images: there are {count}", match split {
        Split::Train => "training",
        Split::Test => "validation",
    })]
    NoImage {
        /// The split.
        split: Split,
        /// The wanted index.
        index: usize,
        /// Images in the split.
        count: usize,
    },
    /// The work was stopped by its watcher.
    #[error("stopped")]
    Stopped,
}

/// Why a file cannot be read as an image.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system refuses.
    #[error("the file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The content is wrong.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
