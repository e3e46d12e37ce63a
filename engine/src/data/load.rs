//! Reads a study's images into memory.

use shared::Rgb8;

use super::{DataError, Index};
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

/// Reads every image of the index on all threads.
///
/// # Errors
/// When a file cannot be read as an image; [`DataError::Stopped`] when the watcher stops the work.
pub fn load_all(index: &Index, side: usize, watch: &mut dyn Watch) -> Result<Pixels, DataError> {
    let _ = (index, side, watch);
    unimplemented!()
}
