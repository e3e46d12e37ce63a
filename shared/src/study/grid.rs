//! From the grid to the list of runs, and how many images each poisons.

use super::{GridSpec, StudySpec};
use crate::run::{Phase, RunPoint};

impl GridSpec {
    /// All runs in the order in which they are worked off: seed by seed, each pre-training before its probes.
    pub fn points(&self) -> Vec<RunPoint> {
        let mut points = Vec::new();
        for &seed in &self.seeds {
            for &ppr in &self.ppr {
                let point = |phase, lpr| RunPoint { phase, ppr, lpr, seed, scratch: false };
                points.push(point(Phase::Pretrain, 0));
                points.extend(self.lpr.iter().map(|&lpr| point(Phase::Probe, lpr)));
                points.extend(self.fpr.iter().map(|&fpr| point(Phase::Finetune, fpr)));
            }
            if self.scratch {
                points.extend(self.fpr.iter().map(|&fpr| RunPoint {
                    phase: Phase::Finetune,
                    ppr: 0,
                    lpr: fpr,
                    seed,
                    scratch: true,
                }));
            }
        }
        points
    }

    /// The counts of poisons of each phase, with the field's path.
    pub fn poison_counts(&self) -> [(&'static str, &[u32]); 3] {
        [("grid.ppr", &self.ppr), ("grid.lpr", &self.lpr), ("grid.fpr", &self.fpr)]
    }

    /// Number of runs of each kind.
    pub fn counts(&self) -> Counts {
        let pretrainings = self.seeds.len().saturating_mul(self.ppr.len());
        Counts {
            pretrainings,
            probes: pretrainings.saturating_mul(self.lpr.len()),
            finetunings: pretrainings.saturating_mul(self.fpr.len()),
            scratch: if self.scratch { self.seeds.len().saturating_mul(self.fpr.len()) } else { 0 },
        }
    }
}

/// How many runs of each kind a grid has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Pre-trainings.
    pub pretrainings: usize,
    /// Linear probes.
    pub probes: usize,
    /// Fine-tunings of pre-trained encoders.
    pub finetunings: usize,
    /// Trainings of models that were not pre-trained.
    pub scratch: usize,
}

impl Counts {
    /// Runs of all kinds.
    pub fn all(self) -> usize {
        [self.probes, self.finetunings, self.scratch]
            .into_iter()
            .fold(self.pretrainings, usize::saturating_add)
    }
}

impl StudySpec {
    /// The grid's runs; without its pre-trainings where the encoder is an imported one.
    pub fn points(&self) -> Vec<RunPoint> {
        let mut points = self.grid.points();
        if self.encoder.is_some() {
            points.retain(|point| point.phase != Phase::Pretrain);
        }
        points
    }

    /// Number of runs of each kind.
    pub fn counts(&self) -> Counts {
        let counts = self.grid.counts();
        let pretrainings = if self.encoder.is_some() { 0 } else { counts.pretrainings };
        Counts { pretrainings, ..counts }
    }

    /// Training images of a run's epoch, poisons and cover samples included, for `class_counts[c]` images in class `c` before the
    /// limit.
    pub fn samples_per_epoch(&self, class_counts: &[u32], per_class: u32) -> u32 {
        let limit = self.dataset.train_per_class.unwrap_or(u32::MAX);
        let clean: u32 = class_counts.iter().map(|&count| count.min(limit)).sum();
        let classes = class_counts.len() as u32;
        clean
            + self.attack.poisoned_images(classes, per_class)
            + self.attack.cover_images(classes, per_class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pretraining_comes_before_its_probes() {
        let grid = GridSpec {
            ppr: vec![0, 10],
            lpr: vec![0, 3],
            fpr: vec![0, 1, 5],
            scratch: true,
            seeds: vec![1, 2],
        };
        let points = grid.points();
        let counts = Counts { pretrainings: 4, probes: 8, finetunings: 12, scratch: 6 };
        assert_eq!((grid.counts(), counts.all(), points.len()), (counts, 30, 30));
        let mut starts = 0;
        for (at, point) in points.iter().enumerate() {
            if let Some(encoder) = point.encoder() {
                assert!(points[..at].contains(&encoder), "{}", point.label());
                starts += 1;
            }
        }
        assert_eq!(starts, 20);
        assert!(
            points.iter().all(|point| points.iter().filter(|other| *other == point).count() == 1)
        );
    }
}
