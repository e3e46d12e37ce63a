//! How well a detector's scores separate poisoned from clean: AUROC, TPR at a bounded FPR, what its own decision finds.

use serde::{Deserialize, Serialize};

use super::Ratio;

/// A detector's scores and decisions, compared with the truth. What is judged may be samples, images or encoders.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Detection {
    /// Area under the ROC curve: the share of pairs of a poisoned and a clean one in which the poisoned has the higher score; equal scores
    /// count half (Mann and Whitney 1947). `None` without a poisoned or a clean one.
    pub auroc: Option<f64>,
    /// Share of the poisoned that a threshold finds at which at most 1 % of the clean are suspected. Of fewer than 100 clean ones that is
    /// none.
    pub tpr_at_1: Option<Ratio>,
    /// The same at 5 %.
    pub tpr_at_5: Option<Ratio>,
    /// Poisoned ones among all poisoned that the detector's own decision flags.
    pub found: Ratio,
    /// Clean ones among all clean that the detector's own decision flags.
    pub false_alarms: Ratio,
}

impl Detection {
    /// Compares `scores`, of which higher ones are more suspicious, and the detector's decisions with the truth. `None` when a score is not
    /// a number. Panics when the lengths differ.
    pub fn of(scores: &[f64], flagged: &[bool], poisoned: &[bool]) -> Option<Self> {
        assert!(
            scores.len() == flagged.len() && scores.len() == poisoned.len(),
            "one score, decision and truth each"
        );
        if scores.iter().any(|score| score.is_nan()) {
            return None;
        }
        let share = |truth: bool| Ratio {
            hits: flagged.iter().zip(poisoned).filter(|&(&f, &p)| f && p == truth).count() as u32,
            total: poisoned.iter().filter(|&&p| p == truth).count() as u32,
        };
        let curve = Roc::of(scores, poisoned);
        Some(Self {
            auroc: curve.area(),
            tpr_at_1: curve.tpr_at(0.01),
            tpr_at_5: curve.tpr_at(0.05),
            found: share(true),
            false_alarms: share(false),
        })
    }
}

/// A receiver operating characteristic: what is suspected at each distinct score as threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Roc {
    /// Clean and poisoned ones with at least the threshold's score, from the highest threshold to the lowest.
    points: Vec<(u32, u32)>,
    /// All clean ones.
    clean: u32,
    /// All poisoned ones.
    poisoned: u32,
}

impl Roc {
    /// The curve of `scores`, which are numbers. Panics when the lengths differ.
    pub fn of(scores: &[f64], poisoned: &[bool]) -> Self {
        assert_eq!(scores.len(), poisoned.len(), "one truth for each score");
        let mut order: Vec<(f64, bool)> =
            scores.iter().copied().zip(poisoned.iter().copied()).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut clean, mut found) = (0, 0);
        let mut points = Vec::new();
        for (i, &(score, poison)) in order.iter().enumerate() {
            if poison {
                found += 1;
            } else {
                clean += 1;
            }
            // A zero of either sign is one threshold.
            if order.get(i + 1).is_none_or(|next| next.0 < score) {
                points.push((clean, found));
            }
        }
        Self { points, clean, poisoned: found }
    }

    /// Clean and poisoned ones, all of them.
    pub fn totals(&self) -> (u32, u32) {
        (self.clean, self.poisoned)
    }

    /// Clean and poisoned ones that are suspected at each threshold, from none to the lowest threshold.
    pub fn points(&self) -> impl Iterator<Item = (u32, u32)> {
        std::iter::once((0, 0)).chain(self.points.iter().copied())
    }

    /// The same curve without the points that lie on the line between their neighbours.
    pub fn corners(&self) -> Self {
        let all: Vec<(u32, u32)> = self.points().collect();
        let step =
            |from: (u32, u32), to: (u32, u32)| (u64::from(to.0 - from.0), u64::from(to.1 - from.1));
        let bends = |at: usize| {
            let Some(&next) = all.get(at + 1) else { return true };
            let (before, after) = (step(all[at - 1], all[at]), step(all[at], next));
            before.0 * after.1 != before.1 * after.0
        };
        let points = (1..all.len()).filter(|&at| bends(at)).map(|at| all[at]).collect();
        Self { points, ..*self }
    }

    /// Area under the curve.
    pub fn area(&self) -> Option<f64> {
        let pairs = u64::from(self.clean) * u64::from(self.poisoned);
        let mut twice = 0u64;
        let mut before = (0, 0);
        for &(clean, found) in &self.points {
            // Poisoned ones above these clean ones, and half of those beside them.
            twice += u64::from(clean - before.0) * u64::from(found + before.1);
            before = (clean, found);
        }
        (pairs > 0).then(|| twice as f64 / (2.0 * pairs as f64))
    }

    /// The largest share of the poisoned that is found with at most this share of the clean suspected.
    pub fn tpr_at(&self, fpr: f64) -> Option<Ratio> {
        let within = |&&(clean, _): &&(u32, u32)| f64::from(clean) / f64::from(self.clean) <= fpr;
        let hits = self.points.iter().filter(within).map(|&(_, found)| found).max().unwrap_or(0);
        (self.clean > 0 && self.poisoned > 0).then_some(Ratio { hits, total: self.poisoned })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_count_half_by_hand() {
        // Pairs (poisoned, clean): 3 > 1, 3 > 2, 2 > 1, 2 = 2: 3.5 of 4.
        let scores = [3.0, 2.0, 1.0, 2.0];
        let poisoned = [true, true, false, false];
        let found = Detection::of(&scores, &[true, false, true, false], &poisoned).unwrap();
        assert_eq!(found.auroc, Some(0.875));
        assert_eq!(found.tpr_at_1, Some(Ratio { hits: 1, total: 2 }));
        assert_eq!(found.found, Ratio { hits: 1, total: 2 });
        assert_eq!(found.false_alarms, Ratio { hits: 1, total: 2 });
    }

    #[test]
    fn one_of_a_hundred_is_one_percent() {
        let mut scores: Vec<f64> = (0..100).map(f64::from).collect();
        let mut poisoned = vec![false; 100];
        scores.extend([98.5, 97.5, 94.5, 93.5]);
        poisoned.extend([true; 4]);
        let found = Detection::of(&scores, &[false; 104], &poisoned).unwrap();
        assert_eq!(found.tpr_at_1, Some(Ratio { hits: 1, total: 4 }));
        assert_eq!(found.tpr_at_5, Some(Ratio { hits: 3, total: 4 }));
    }

    #[test]
    fn without_both_kinds_there_is_no_number_and_without_numbers_no_detection() {
        let all = Detection::of(&[1.0, 2.0], &[false; 2], &[true; 2]).unwrap();
        assert_eq!((all.auroc, all.tpr_at_1), (None, None));
        assert_eq!(Detection::of(&[f64::NAN], &[false], &[true]), None);
        let infinite = [f64::INFINITY, f64::NEG_INFINITY];
        let found = Detection::of(&infinite, &[true, false], &[true, false]).unwrap();
        assert_eq!(found.auroc, Some(1.0));
    }

    #[test]
    fn a_curve_as_scikit_learn_has_it() {
        // scikit-learn 1.9.1: roc_curve(drop_intermediate=False) times the counts of either class, and roc_auc_score.
        let scores = [0.9, 0.8, 0.8, 0.7, 0.6, 0.6, 0.6, 0.5, 0.4, 0.4, 0.3, 0.2, 0.1, 0.1];
        let poisoned = [1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0].map(|truth| truth == 1);
        let roc = Roc::of(&scores, &poisoned);
        let expected =
            [(0, 0), (0, 1), (1, 2), (1, 3), (2, 5), (3, 5), (4, 6), (5, 6), (6, 6), (7, 7)];
        assert_eq!(roc.points().collect::<Vec<_>>(), expected);
        assert_eq!((roc.totals(), roc.area()), ((7, 7), Some(0.704_081_632_653_061_2)));
        // With drop_intermediate=True, (5, 6) is left out.
        let corners = roc.corners();
        let kept: Vec<_> = expected.into_iter().filter(|&point| point != (5, 6)).collect();
        assert_eq!(corners.points().collect::<Vec<_>>(), kept);
        assert_eq!((corners.totals(), corners.area()), (roc.totals(), roc.area()));
    }

    proptest! {
        #[test]
        fn corners_are_the_same_curve(
            marks in prop::collection::vec((0u8..9, any::<bool>()), 0..60)
        ) {
            let scores: Vec<f64> = marks.iter().map(|&(score, _)| f64::from(score)).collect();
            let poisoned: Vec<bool> = marks.iter().map(|&(_, poison)| poison).collect();
            let roc = Roc::of(&scores, &poisoned);
            let corners = roc.corners();
            prop_assert_eq!(corners.area(), roc.area());
            prop_assert!(corners.points().all(|point| roc.points().any(|other| other == point)));
            prop_assert_eq!(corners.corners(), corners.clone());
            prop_assert_eq!(corners.points().last(), roc.points().last());
        }

        #[test]
        fn the_area_is_the_share_of_pairs(
            marks in prop::collection::vec((0u8..6, any::<bool>()), 2..40)
        ) {
            let scores: Vec<f64> = marks.iter().map(|&(score, _)| f64::from(score)).collect();
            let poisoned: Vec<bool> = marks.iter().map(|&(_, poison)| poison).collect();
            let (mut sum, mut pairs) = (0.0, 0.0);
            for (a, _) in scores.iter().zip(&poisoned).filter(|&(_, &p)| p) {
                for (b, _) in scores.iter().zip(&poisoned).filter(|&(_, &p)| !p) {
                    sum += match a.total_cmp(b) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                    pairs += 1.0;
                }
            }
            let area = Roc::of(&scores, &poisoned).area();
            prop_assert_eq!(area, (pairs > 0.0).then(|| sum / pairs));
        }
    }
}
