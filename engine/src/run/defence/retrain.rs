//! Training again on what a sample filter keeps: a linear probe of the whole judged set, and one of the set without the flagged images, by the
//! recipe and the seed of the study's probes. The first is the probe that the study makes with as many poisons.

use shared::metric::{Ratio, Retrained};

use super::{Defence, Said, changed};
use crate::{
    EngineError,
    run::{of_probe, training},
    train::{linprobe::LinearProbe, report::Reporter},
};

impl Defence<'_> {
    /// Trains both probes on the images that `said` tells of, and adds to it what differs. Both are evaluated on the validation images that
    /// the defender does not have. A class of which nothing is kept stays unknown to the second probe; without any image there is none.
    pub(super) fn retrain(
        &self,
        said: &mut Said,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let settings = &self.run.order.settings;
        let all: Vec<usize> = (0..said.samples.len()).collect();
        let kept: Vec<usize> = all.iter().copied().filter(|&i| !said.samples[i].flagged).collect();
        let emptied = emptied(
            self.pixels.classes.len(),
            said.samples.iter().map(|sample| (sample.label, sample.flagged)),
        );
        said.emptied = emptied.iter().map(|&class| self.pixels.classes[class].clone()).collect();
        if !said.emptied.is_empty() {
            report.log(format!("nothing is kept of the class {}", said.emptied.join(", ")))?;
        }

        let trigger_name = self.trigger_name();
        let goal = &self.run.goal(self.pixels);
        let probe = self.linear_probe(&all, &trigger_name, goal)?;
        let mut prepared = probe.prepare(self.kept, report)?;
        prepared.without(&self.defenders());
        let (_, before) = self.probed(&probe, &prepared, "training on the whole set", report)?;
        // What the filter says is worth keeping, even if nothing can be trained on what it keeps.
        let after = match training(kept.len(), of_probe(&settings.probe), settings.seed) {
            _ if kept.is_empty() => None,
            Ok(batches) => {
                let again = LinearProbe { batches, samples: &kept, ..probe };
                Some(self.probed(&again, &prepared, "training on what is kept", report)?.1)
            }
            Err(error) => {
                report.log(few(kept.len(), &error))?;
                None
            }
        };
        let judgement = &mut said.judgement;
        judgement.before = Some(before.counts.metrics);
        judgement.after = after.as_ref().map(|after| after.counts.metrics);
        judgement.retrained = Some(Retrained {
            kept: Ratio { hits: kept.len() as u32, total: all.len() as u32 },
            emptied: said.emptied.len() as u32,
            changed: after.map(|after| changed(&before, &after)).transpose()?,
        });
        Ok(())
    }
}

/// The labels that some image has, and no image that is not flagged.
fn emptied(classes: usize, images: impl Iterator<Item = (u32, bool)>) -> Vec<usize> {
    let (mut there, mut kept) = (vec![false; classes], vec![false; classes]);
    for (label, flagged) in images {
        there[label as usize] = true;
        kept[label as usize] |= !flagged;
    }
    (0..classes).filter(|&class| there[class] && !kept[class]).collect()
}

/// Too few images are kept for a step.
fn few(kept: usize, error: &EngineError) -> String {
    format!(
        "the filter keeps {kept} images, too few to train a probe again: {error} (probe.accumulate, probe.batch_size)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emptied_classes_by_hand() {
        let images = [(0, true), (0, false), (1, true), (1, true), (3, false)];
        assert_eq!(emptied(4, images.into_iter()), [1], "there is no image of class 2 at all");
        assert!(emptied(4, std::iter::empty()).is_empty());
    }

    #[test]
    fn too_few_images_for_a_step_are_told() {
        // Three kept images make one batch of at most two, and a step wants two.
        let error = training(3, (2, 2, 1), 1).expect_err("one batch");
        assert_eq!(
            few(3, &error),
            "the filter keeps 3 images, too few to train a probe again: an epoch has 1 batches, too few for a step of 2: take a smaller \
             accumulate or batch_size (probe.accumulate, probe.batch_size)"
        );
    }
}
