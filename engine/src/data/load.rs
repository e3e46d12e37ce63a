//! A study's images: in memory, or read from their files whenever they are asked for.
//!
//! A split whose pixels (images x side x side x 3) take more than a given number of bytes is
//! not kept: training then decodes each image anew in every epoch, on the threads that make the next batch. Nothing is kept in
//! between; the system keeps the files that fit. Both ways give the same pixels, so the same results to the last bit.

use std::{borrow::Cow, sync::Arc};

use shared::{Rgb8, api::Split};

use super::{DataError, Entry, Index, index::squared, parallel};
use crate::{decode::Room, stop::Watch};

/// One image of a study.
#[derive(Clone, Debug)]
pub struct Sample {
    source: Source,
    /// Number of its class.
    pub class: u32,
}

/// Where a sample's pixels are.
#[derive(Clone, Debug)]
enum Source {
    Memory(Rgb8),
    Files { index: Arc<Index>, split: Split, number: u32, side: u32 },
}

impl Sample {
    /// A sample in memory.
    pub fn kept(image: Rgb8, class: u32) -> Self {
        Self { source: Source::Memory(image), class }
    }

    /// Its pixels, `side` x `side`.
    ///
    /// # Errors
    /// When they are read from a file that has become unreadable.
    pub fn image(&self) -> Result<Cow<'_, Rgb8>, DataError> {
        match &self.source {
            Source::Memory(image) => Ok(Cow::Borrowed(image)),
            Source::Files { index, split, number, side } => {
                index.load(*split, *number as usize, *side as usize).map(Cow::Owned)
            }
        }
    }
}

/// A study's images in the order of their [`Index`].
#[derive(Clone, Debug)]
pub struct Pixels {
    /// Side of every image in pixels.
    pub side: usize,
    /// Class names.
    pub classes: Vec<String>,
    /// Training images.
    pub train: Vec<Sample>,
    /// Whether the training images are in memory.
    pub train_kept: bool,
    /// Validation images.
    pub test: Vec<Sample>,
    /// The data set's fingerprint.
    pub fingerprint: String,
}

/// The images of the index, each resized as a whole to `side` x `side`: those of a split whose pixels take `memory` bytes at most
/// are read on all threads now, others later.
///
/// What was unreadable when the data set was added is not in the index. A file that has become unreadable since is an
/// error, not skipped: leaving it out would move every later image to another index.
///
/// # Errors
/// Names the first file that cannot be read; [`DataError::Stopped`] when the watcher stops the work.
pub fn load_within(
    index: &Index,
    side: usize,
    memory: u64,
    watch: &mut dyn Watch,
) -> Result<Pixels, DataError> {
    let fits = |split| index.entries(split).len() as u64 * (side * side * 3) as u64 <= memory;
    let total = [Split::Train, Split::Test].into_iter().filter(|&split| fits(split));
    let total = total.map(|split| index.entries(split).len()).sum();
    let mut done = 0;
    let mut load = |split| {
        if !fits(split) {
            return Ok(from_files(index, split, side));
        }
        let samples = read_split(index, split, side, done, total, watch)?;
        done += samples.len();
        Ok(samples)
    };
    Ok(Pixels {
        side,
        classes: index.classes.clone(),
        train: load(Split::Train)?,
        train_kept: fits(Split::Train),
        test: load(Split::Test)?,
        fingerprint: index.fingerprint(),
    })
}

fn read_split(
    index: &Index,
    split: Split,
    side: usize,
    done: usize,
    total: usize,
    watch: &mut dyn Watch,
) -> Result<Vec<Sample>, DataError> {
    let entries = index.entries(split);
    let load = |at: &usize| {
        let entry = &entries[*at];
        let room = Room::default();
        let image = squared(&index.pixels(split, entry, &room)?, side);
        Ok((*at, Sample::kept(image, entry.class)))
    };
    let order = index.stored_order(split);
    let read = parallel::map(&order, "reading images", done, total, watch, load)?;
    let mut samples = read.into_iter().collect::<Result<Vec<_>, DataError>>()?;
    samples.sort_unstable_by_key(|(at, _)| *at);
    Ok(samples.into_iter().map(|(_, sample)| sample).collect())
}

fn from_files(index: &Index, split: Split, side: usize) -> Vec<Sample> {
    let shared = Arc::new(index.clone());
    let sample = |(number, entry): (u32, &Entry)| Sample {
        source: Source::Files { index: shared.clone(), split, number, side: side as u32 },
        class: entry.class,
    };
    (0..).zip(index.entries(split)).map(sample).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use shared::api::Layout;

    use super::*;
    use crate::data::testing::{folder, png, source_of};

    fn files() -> [(&'static str, Vec<u8>); 6] {
        [
            ("train/cat/1.png", png([1; 3])),
            ("train/cat/2.png", png([2; 3])),
            ("train/dog/1.png", png([3; 3])),
            ("train/dog/b.png", png([4; 3])),
            ("val/cat/1.png", png([5; 3])),
            ("val/dog/y.png", png([6; 3])),
        ]
    }

    #[test]
    fn a_split_beyond_the_memory_is_read_from_its_files() {
        let folder = folder(&files());
        let index =
            Index::open(&source_of(folder.path(), Layout::ImageFolder)).expect("a data set");
        // Four training images of 4 x 4 pixels take 192 bytes, two validation images 96.
        let kept = load_within(&index, 4, 192, &mut ()).expect("pixels");
        let streamed = load_within(&index, 4, 191, &mut ()).expect("pixels");
        assert!(kept.train_kept && !streamed.train_kept);
        for (a, b) in
            kept.train.iter().chain(&kept.test).zip(streamed.train.iter().chain(&streamed.test))
        {
            assert_eq!(a.class, b.class);
            assert_eq!(a.image().expect("in memory"), b.image().expect("a file"));
        }
        fs::write(folder.path().join("train/dog/b.png"), b"overwritten").expect("a file");
        let error = streamed.train[3].image().expect_err("an unreadable file").to_string();
        assert!(error.ends_with(
            "train/dog/b.png: the file's content is text; a JPEG, PNG, WebP, GIF, BMP, TIFF or PNM image is needed"
        ));
        assert!(streamed.test[1].image().is_ok(), "the validation images fit");
        fs::remove_file(folder.path().join("val/dog/y.png")).expect("a file");
        assert!(streamed.test[1].image().is_ok(), "and are kept");
    }
}
