//! What can be wrong with a data set.

use std::path::PathBuf;

use shared::api::Split;

use crate::decode::{DecodeError, FORMATS};

/// What is wrong with a data set, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing lies at the path.
    #[error("{0} does not exist; give the folder that holds `train` and `val` or `test`")]
    Missing(PathBuf),
    /// A file lies at the path.
    #[error("{0} is a file; give the folder that holds `train` and `val` or `test`")]
    NotAFolder(PathBuf),
    /// What lies in the folder has none of the known layouts.
    #[error("{folder} is no data set of a known layout. It has: {found}. {advice}")]
    NoLayout {
        /// The folder.
        folder: PathBuf,
        /// What lies in it, in words.
        found: String,
        /// The nearest layout and what it lacks, in a sentence.
        advice: String,
    },
    /// There are no validation images, and none are to be held out.
    #[error(
        "{folder} ({layout}) has no validation images; add them, or hold out a share of the training images: `--split 0.1`, or *Share held \
         out* in the browser"
    )]
    NoSplit {
        /// The folder.
        folder: PathBuf,
        /// The layout.
        layout: &'static str,
    },
    /// A share is to be held out of a folder that has validation images.
    #[error(
        "{folder} ({layout}) has validation images of its own, so no share of the training images can be held out; leave `--split` out"
    )]
    OwnValidation {
        /// The folder.
        folder: PathBuf,
        /// The layout.
        layout: &'static str,
    },
    /// A file that belongs to the layout is missing.
    #[error("{folder} has no {file}, which belongs to the layout {layout}")]
    NoMember {
        /// The folder.
        folder: PathBuf,
        /// The file.
        file: String,
        /// The layout.
        layout: &'static str,
    },
    /// A file that belongs to the layout is not as it should be.
    #[error("{file}: {reason}")]
    Member {
        /// The file.
        file: PathBuf,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A class without an image in one of the splits.
    #[error("the class {class} has no {split} image; every class needs at least one of each split")]
    NoneOfClass {
        /// The class.
        class: String,
        /// `training` or `validation`.
        split: &'static str,
    },
    /// There are no training images.
    #[error("{0} has no folder `train` or `training`; training images are in train/<class>/")]
    NoTrain(PathBuf),
    /// There are no validation images.
    #[error(
        "{0} has no folder `val`, `valid`, `validation`, `test` or `testing`; validation images are in val/<class>/. Or hold out a share of the \
         training images: `--split 0.1`, or *Share held out* in the browser"
    )]
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
    #[error("{0} has no {FORMATS} image; every class needs at least one in `train` and in `val`")]
    EmptyClass(PathBuf),
    /// The validation images have other classes than the training images.
    #[error("the classes of `{test}` are not those of `{train}`: {difference}")]
    OtherClasses {
        /// Folder of the validation images.
        test: String,
        /// Folder of the training images.
        train: String,
        /// Which are missing and which are too many.
        difference: String,
    },
    /// Two folders of a split have one class's name.
    #[error(
        "{folder} has two folders of the same name in different Unicode forms: {names}; merge them"
    )]
    SameClass {
        /// The split's folder.
        folder: PathBuf,
        /// The names, with their characters' numbers.
        names: String,
    },
    /// The folder does not hold what it held when the data set was added.
    #[error(
        "the folder {folder} of the data set {dataset} has changed since it was added: {change}. Restore it, or add its present \
         state as a new version: `maskdoor datasets update {dataset}`, or Data in the browser"
    )]
    Changed {
        /// The data set.
        dataset: String,
        /// Its folder.
        folder: PathBuf,
        /// What is different.
        change: String,
    },
    /// All images of a class are unreadable.
    #[error(
        "no {split} image of the class {class} can be read ({first_file}: {first_reason}); every class needs at least one"
    )]
    NoReadable {
        /// The class.
        class: String,
        /// `training` or `validation`.
        split: &'static str,
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
    /// A name that would break a poison list, which has one name a line.
    #[error("{0:?}: the name has a line break or another control character; rename it")]
    ControlCharacter(PathBuf),
    /// A folder that cannot be listed.
    #[error("{path}: the folder cannot be listed: {source}")]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An index behind the last image.
    #[error("there is no image {index} in the {} images: there are {count}", in_words(*split))]
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

/// A split as messages call it.
pub(super) fn in_words(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Test => "validation",
    }
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
