//! The classifiers that defences protect or compare: the vote of nearest neighbours, and linear probes by the study's recipe.

use shared::metric::Goal;

use super::Defence;
use crate::{
    EngineError,
    compute::{Head, HeadTrainer},
    eval::{Bank, Evaluated},
    run::{of_probe, training},
    train::{
        linprobe::{LinearProbe, Prepared},
        report::Reporter,
    },
};

/// A classifier of features that an input filter protects.
pub(super) enum Classifier<'a> {
    /// The vote of nearest neighbours among training images that the attacker has poisoned.
    Neighbours(Bank),
    /// A linear probe of the poisoned training set.
    Probe(&'a dyn Head),
}

impl Classifier<'_> {
    /// The votes for each class of each row of features, `(rows, classes)`: those of neighbours, or a probe's probabilities. A row that is not
    /// finite gets NaN for every class.
    pub fn votes(&self, rows: &[f32], classes: usize) -> Result<Vec<f32>, EngineError> {
        match self {
            Self::Neighbours(bank) => Ok(bank.votes(rows, classes)),
            Self::Probe(head) => {
                let mut scores = head.scores(rows)?;
                scores.chunks_exact_mut(classes).for_each(softmax);
                Ok(scores)
            }
        }
    }
}

/// Turns the scores of an image into probabilities.
fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = scores.iter().map(|score| (score - most).exp()).sum();
    for score in scores {
        *score = (*score - most).exp() / sum;
    }
}

impl<'a> Defence<'a> {
    /// A text that identifies the trigger, for stored features.
    pub(super) fn trigger_name(&self) -> String {
        self.key.trigger_name(&self.run.order.settings.attack.trigger)
    }

    /// The linear probe of the study on these samples of the judged set.
    pub(super) fn linear_probe<'b>(
        &'b self,
        samples: &'b [usize],
        trigger_name: &'b str,
        goal: &'b Goal,
    ) -> Result<LinearProbe<'b>, EngineError>
    where
        'a: 'b,
    {
        let settings = &self.run.order.settings;
        Ok(LinearProbe {
            recipe: &settings.probe,
            encoder: self.encoder,
            pixels: self.pixels,
            batches: training(samples.len(), of_probe(&settings.probe), settings.seed)?,
            poisons: self.poisons,
            samples,
            trigger: self.trigger,
            trigger_name,
            goal,
            further: &[],
        })
    }

    /// Trains a probe and evaluates it; `what` is told as its progress.
    pub(super) fn probed(
        &self,
        probe: &LinearProbe<'_>,
        prepared: &Prepared,
        what: &str,
        report: &mut Reporter<'_>,
    ) -> Result<(Box<HeadTrainer>, Evaluated), EngineError> {
        let mut trainer = self.run.head_trainer(self.encoder.width(), self.pixels.classes.len())?;
        let evaluated = probe.train_beside(&mut *trainer, prepared, what, report)?;
        Ok((trainer, evaluated))
    }

    /// The linear probe that the study makes with as many poisons, trained.
    pub(super) fn probe(&self, report: &mut Reporter<'_>) -> Result<Box<HeadTrainer>, EngineError> {
        let all: Vec<usize> = (0..self.poisons.members().len()).collect();
        let (trigger_name, goal) = (self.trigger_name(), self.run.goal(self.pixels));
        let probe = self.linear_probe(&all, &trigger_name, &goal)?;
        let prepared = probe.prepare(self.kept, report)?;
        Ok(self.probed(&probe, &prepared, "training the classifier", report)?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::predictions;

    /// Gives features as they are.
    struct Same;

    impl Head for Same {
        fn scores(&self, features: &[f32]) -> Result<Vec<f32>, EngineError> {
            Ok(features.to_vec())
        }
    }

    #[test]
    fn probabilities_by_hand() {
        let (two, three) = (2.0f32.ln(), 3.0f32.ln());
        // Scores far from zero do not overflow; a row that is not finite has no class.
        let rows = [0.0, two, three, 1000.0, 1000.0, 1000.0, f32::NAN, f32::NAN, f32::NAN];
        let votes = Classifier::Probe(&Same).votes(&rows, 3).unwrap();
        let expected = [1.0 / 6.0, 1.0 / 3.0, 0.5, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0];
        for (vote, expected) in votes.iter().zip(expected) {
            assert!((vote - expected).abs() < 1e-6, "{votes:?}");
        }
        assert_eq!(predictions(&votes, 3), [Some(2), Some(0), None]);
    }
}
