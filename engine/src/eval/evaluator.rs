//! A fine-tuned classifier on all test images, clean and with the trigger.

use shared::{Rgb8, metric::Evaluation};

use super::count;
use crate::{
    EngineError,
    data::{DataError, augment::normalise},
    model::{Vit, WholeImages},
    train::replicas::in_parallel,
};

/// Images that go through the model at once on a thread.
const CHUNK: usize = 32;

/// A classifier to evaluate, and how.
pub struct Evaluator<'a> {
    /// The model.
    pub vit: &'a Vit,
    /// Threads to compute on.
    pub threads: usize,
}

impl Evaluator<'_> {
    /// Counts the predictions on the images that `clean` and `triggered` give, each called for every label's place, from several
    /// threads.
    ///
    /// # Errors
    /// When candle cannot compute them; when an image cannot be read.
    pub fn evaluate(
        &self,
        labels: &[u32],
        clean: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        triggered: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        target_class: u32,
    ) -> Result<Evaluation, EngineError> {
        let clean = self.scores(labels.len(), clean)?;
        let triggered = self.scores(labels.len(), triggered)?;
        Ok(count(labels, &clean, &triggered, self.vit.classes(), target_class))
    }

    /// Class scores of `image(0)` to `image(n - 1)`, row by row.
    fn scores(
        &self,
        n: usize,
        image: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
    ) -> Result<Vec<f32>, EngineError> {
        let parts = in_parallel(n.div_ceil(CHUNK), self.threads, |i| {
            self.chunk((i * CHUNK..n.min((i + 1) * CHUNK)).map(&image))
        })?;
        Ok(parts.concat())
    }

    fn chunk(
        &self,
        images: impl Iterator<Item = Result<Rgb8, DataError>>,
    ) -> Result<Vec<f32>, EngineError> {
        let grid = self.vit.grid();
        let mut whole = WholeImages::default();
        let mut pixels = vec![0.0; grid.image_len()];
        for image in images {
            normalise(&image?, &mut pixels);
            whole.push(grid, &pixels);
        }
        Ok(self.vit.logits(&whole, None)?.flatten_all()?.to_vec1()?)
    }
}
