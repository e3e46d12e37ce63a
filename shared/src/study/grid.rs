//! From the grid to the list of runs, and how many images each poisons.

use super::{GridSpec, StudySpec};
use crate::run::{Phase, RunPoint};

impl GridSpec {
    /// All runs in the order in which they are worked off: seed by seed, each pre-training before its probes.
    pub fn points(&self) -> Vec<RunPoint> {
        let mut points = Vec::new();
        for &seed in &self.seeds {
            for &ppr in &self.ppr {
                points.push(RunPoint { phase: Phase::Pretrain, ppr, lpr: 0, seed });
                points.extend(self.lpr.iter().map(|&lpr| RunPoint {
                    phase: Phase::Probe,
                    ppr,
                    lpr,
                    seed,
                }));
            }
        }
        points
    }

    /// Number of pre-trainings and of linear probes.
    pub fn counts(&self) -> (usize, usize) {
        let pretrainings = self.seeds.len() * self.ppr.len();
        (pretrainings, pretrainings * self.lpr.len())
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

    /// Number of pre-trainings and of linear probes.
    pub fn counts(&self) -> (usize, usize) {
        let (pretrainings, probes) = self.grid.counts();
        (if self.encoder.is_some() { 0 } else { pretrainings }, probes)
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
        let grid = GridSpec { ppr: vec![0, 10], lpr: vec![0, 3], seeds: vec![1, 2] };
        let points = grid.points();
        assert_eq!(grid.counts(), (4, 8));
        assert_eq!(points.len(), 12);
        for (at, point) in points.iter().enumerate() {
            if point.phase == Phase::Probe {
                let encoder =
                    points.iter().position(|other| *other == point.encoder()).expect("an encoder");
                assert!(encoder < at);
            }
        }
    }
}
