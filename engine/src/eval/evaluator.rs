//! A whole model's predictions on images from any source, clean and triggered.

use shared::{Rgb8, metric::Goal};

use super::{Backdoor, Evaluated};
use crate::{EngineError, compute::Classify, data::DataError, parallel::in_parallel, stop::Watch};

/// Images that pass through the model at once on a thread.
const CHUNK: usize = 32;
/// Chunks per thread between two checks of the watch.
const CHUNKS: usize = 4;

/// A classifier to evaluate, and how.
pub struct Evaluator<'a> {
    /// The model.
    pub classifier: &'a dyn Classify,
    /// Threads to compute on.
    pub threads: usize,
}

impl Evaluator<'_> {
    /// Counts the predictions on the images that `clean` and `triggered` return. Both are called with the index of every label, from
    /// several threads, and return images as the model sees them ([`Classify::view`]).
    ///
    /// # Errors
    /// When candle cannot compute them; when an image cannot be read.
    pub fn evaluate(
        &self,
        labels: &[u32],
        clean: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        triggered: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        goal: &Goal,
    ) -> Result<Evaluated, EngineError> {
        self.evaluate_watched(labels, clean, triggered, goal, &mut ())
    }

    /// Like [`evaluate`](Self::evaluate), but reports to `watch` how many images are done.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate); [`DataError::Stopped`] when the watch stops the work.
    pub fn evaluate_watched(
        &self,
        labels: &[u32],
        clean: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        triggered: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        goal: &Goal,
        watch: &mut dyn Watch,
    ) -> Result<Evaluated, EngineError> {
        let n = labels.len();
        let clean = self.scores(n, clean, watch, 0)?;
        let triggered = self.scores(n, triggered, watch, n)?;
        Ok(Evaluated::of(labels, &clean, &triggered, self.classifier.classes(), goal))
    }

    /// Adds to an evaluation what each of these backdoors does. `triggered` is called with the index of every label, from several threads, and
    /// returns the image with the backdoor's trigger as the model sees it.
    ///
    /// # Errors
    /// As for [`evaluate`](Self::evaluate).
    pub fn add(
        &self,
        evaluated: &mut Evaluated,
        labels: &[u32],
        backdoors: &[Backdoor],
        triggered: impl Fn(&Backdoor, usize) -> Result<Rgb8, DataError> + Sync,
    ) -> Result<(), EngineError> {
        for backdoor in backdoors {
            let image = |i: usize| triggered(backdoor, i);
            let scores = self.scores(labels.len(), image, &mut (), 0)?;
            let counted = backdoor.count(labels, &scores, self.classifier.classes());
            evaluated.counts.add(counted);
        }
        Ok(())
    }

    /// Class scores of `image(0)` to `image(n - 1)`, row by row; `before` of `2 * n` images are done already.
    ///
    /// # Errors
    /// As for [`evaluate_watched`](Self::evaluate_watched).
    pub(crate) fn scores(
        &self,
        n: usize,
        image: impl Fn(usize) -> Result<Rgb8, DataError> + Sync,
        watch: &mut dyn Watch,
        before: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let chunks = n.div_ceil(CHUNK);
        let mut scores = Vec::with_capacity(n * self.classifier.classes());
        let mut done = 0;
        while done < chunks {
            if watch.stopped() {
                return Err(DataError::Stopped.into());
            }
            watch.progress("evaluating", (before + done * CHUNK) as u64, 2 * n as u64);
            let next = chunks.min(done + self.threads.max(1) * CHUNKS);
            let parts = in_parallel(next - done, self.threads, |i| {
                let first = (done + i) * CHUNK;
                self.chunk((first..n.min(first + CHUNK)).map(&image))
            })?;
            scores.extend(parts.concat());
            done = next;
        }
        Ok(scores)
    }

    fn chunk(
        &self,
        images: impl Iterator<Item = Result<Rgb8, DataError>>,
    ) -> Result<Vec<f32>, EngineError> {
        let normalisation = self.classifier.normalisation();
        let one = 3 * self.classifier.side() * self.classifier.side();
        let mut planes = Vec::new();
        for image in images {
            let from = planes.len();
            planes.resize(from + one, 0.0);
            normalisation.apply(&image?, &mut planes[from..]);
        }
        Ok(self.classifier.scores(&planes)?)
    }
}
