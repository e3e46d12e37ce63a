//! What classifiers say of single images, from the files that their runs have kept.

use std::{collections::HashMap, path::PathBuf};

use engine::{
    eval::{Predicted, Prediction},
    files::PREDICTIONS,
};
use shared::{
    RunId,
    api::{Outcome, Page, PairedRuns, PredictedClass, PredictedImage, RunRow},
    verdict::{Pairs, compared},
};

use crate::{app::App, store::StoreError};

/// Predictions cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The run has kept none.
    #[error("{0}")]
    Missing(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is damaged, or the program failed.
    #[error("{0}")]
    Internal(String),
}

impl App {
    /// The triggered images of one outcome under a run's classifier, in the order of [`Outcome`].
    ///
    /// # Errors
    /// When there is no such run, it has kept no predictions, or its file is damaged.
    pub async fn predicted_images(
        &self,
        run: RunId,
        outcome: Outcome,
        offset: usize,
        limit: usize,
    ) -> Result<Page<PredictedImage>, PredictionsError> {
        let file = self.data_dir.folder(&self.store.run_folder(run).await?).join(PREDICTIONS);
        let predicted = blocking(move || {
            Predicted::read(&file).map_err(|error| PredictionsError::Internal(error.to_string()))
        })
        .await?;
        let Some(predicted) = predicted else {
            let message = "the run has kept no predictions by image: it is no finished classifier, or an earlier version trained it";
            return Err(PredictionsError::Missing(message.into()));
        };
        let images = of_outcome(&predicted, outcome);
        let total = images.len() as u64;
        let items = images.into_iter().skip(offset).take(limit);
        let items = items.map(|at| image(&predicted, at)).collect();
        Ok(Page { items, total, offset: offset as u64 })
    }

    /// The pairs of these runs that are compared, where both have kept predictions of the same images. A file that cannot be read is
    /// as none: the comparison then takes the counts alone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn paired_runs(&self, runs: &[RunRow]) -> Result<Vec<PairedRuns>, PredictionsError> {
        let wanted = compared(runs);
        let mut files: HashMap<RunId, PathBuf> = HashMap::new();
        for run in wanted.iter().flat_map(|&(first, second)| [first, second]) {
            if let std::collections::hash_map::Entry::Vacant(place) = files.entry(run) {
                let folder = self.data_dir.folder(&self.store.run_folder(run).await?);
                place.insert(folder.join(PREDICTIONS));
            }
        }
        blocking(move || {
            let read = |(run, file): (RunId, PathBuf)| {
                let predicted = Predicted::read(&file)
                    .inspect_err(|error| tracing::warn!(%run, %error, "predictions are left out"));
                Some((run, predicted.ok()??))
            };
            let known: HashMap<RunId, Predicted> = files.into_iter().filter_map(read).collect();
            let pair = |(first, second): (RunId, RunId)| {
                let [ca, asr, _] = known.get(&first)?.discordant(known.get(&second)?)?;
                Some(PairedRuns { first, second, ca, asr })
            };
            Ok(wanted.into_iter().filter_map(pair).collect())
        })
        .await
    }

    /// The same as a verdict takes it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pairs(&self, runs: &[RunRow]) -> Result<Pairs, PredictionsError> {
        Ok(Pairs::from(&self.paired_runs(runs).await?[..]))
    }
}

/// The images of an outcome, by their place. Of those that fall, the ones that get the attacker's class without the trigger, too, come last.
fn of_outcome(predicted: &Predicted, outcome: Outcome) -> Vec<usize> {
    let anyway = |&image: &usize| {
        let wanted = predicted.goal.target_of(predicted.labels[image]);
        predicted.clean[image].class == Some(wanted)
    };
    let attacked = (0..predicted.labels.len()).filter(|&image| predicted.counts(image));
    let target = |image: &usize| predicted.triggered[*image].target;
    let mut images: Vec<usize> =
        attacked.filter(|&image| predicted.falls(image) == (outcome == Outcome::Falls)).collect();
    match outcome {
        Outcome::Falls => images.sort_by(|a, b| {
            anyway(a).cmp(&anyway(b)).then_with(|| target(b).total_cmp(&target(a)))
        }),
        Outcome::Resists => images.sort_by(|a, b| target(a).total_cmp(&target(b))),
    }
    images
}

fn image(predicted: &Predicted, at: usize) -> PredictedImage {
    let class = |one: Prediction| PredictedClass {
        class: one.class,
        confidence: one.confidence,
        target: one.target,
    };
    PredictedImage {
        index: at as u32,
        class: predicted.labels[at],
        clean: class(predicted.clean[at]),
        triggered: class(predicted.triggered[at]),
    }
}

/// Runs work on files on a thread where that is allowed.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PredictionsError> + Send + 'static,
) -> Result<T, PredictionsError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PredictionsError::Internal(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_certain_images_come_first() {
        let one = |class: u32, target: f32| Prediction {
            class: Some(class),
            confidence: target.max(1.0 - target),
            target,
        };
        let triggered = vec![one(0, 0.9), one(0, 0.6), one(1, 0.2), one(0, 0.8), one(1, 0.1)];
        let predicted = Predicted {
            goal: shared::metric::Goal::from(0),
            labels: vec![0, 1, 1, 1, 1],
            // The clean image 3 gets class 0, too.
            clean: vec![one(0, 0.9), one(1, 0.3), one(1, 0.2), one(0, 0.7), one(1, 0.1)],
            triggered,
        };
        assert_eq!(
            of_outcome(&predicted, Outcome::Falls),
            [1, 3],
            "an image of class 0 cannot fall, and 3 falls without the trigger"
        );
        assert_eq!(of_outcome(&predicted, Outcome::Resists), [4, 2]);
        let told = image(&predicted, 3);
        assert_eq!((told.index, told.class, told.triggered.class), (3, 1, Some(0)));
    }
}
