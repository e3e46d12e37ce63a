//! Reads a study's images into memory.

use shared::{Rgb8, api::Split, resize};

use super::{DataError, Entry, Index, parallel};
use crate::stop::Watch;

/// One image in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Pixels, `side` x `side`.
    pub image: Rgb8,
    /// Number of its class.
    pub class: u32,
    /// Path below the data set's folder, or a name for a drawn picture.
    pub name: String,
}

/// A study's images in memory, in the order of their [`Index`].
#[derive(Clone, Debug)]
pub struct Pixels {
    /// Side of every image in pixels.
    pub side: usize,
    /// Class names.
    pub classes: Vec<String>,
    /// Training images.
    pub train: Vec<Sample>,
    /// Validation images.
    pub test: Vec<Sample>,
    /// The data set's fingerprint.
    pub fingerprint: String,
}

/// Reads every image of the index on all threads, each resized as a whole to `side` x `side`.
///
/// What was unreadable when the data set was added is not in the index. A file that has become unreadable since is an
/// error here, not skipped: leaving it out would move every later image to another index.
///
/// # Errors
/// Names the first file that cannot be read; [`DataError::Stopped`] when the watcher stops the work.
pub fn load_all(index: &Index, side: usize, watch: &mut dyn Watch) -> Result<Pixels, DataError> {
    Ok(Pixels {
        side,
        classes: index.classes.clone(),
        train: load_split(index, Split::Train, side, 0, watch)?,
        test: load_split(index, Split::Test, side, index.train.len(), watch)?,
        fingerprint: index.fingerprint(),
    })
}

fn load_split(
    index: &Index,
    split: Split,
    side: usize,
    done: usize,
    watch: &mut dyn Watch,
) -> Result<Vec<Sample>, DataError> {
    let total = index.train.len() + index.test.len();
    let load = |entry: &Entry| {
        let image = resize::bilinear(&index.pixels(split, entry)?, side, side);
        Ok(Sample { image, class: entry.class, name: entry.name.clone() })
    };
    parallel::map(index.entries(split), "reading images", done, total, watch, load)?
        .into_iter()
        .collect()
}
