//! From class scores to an evaluation: clean accuracy, attack success, robust accuracy, confusion matrices.

use shared::{
    Ratio,
    metric::{Confusion, Evaluation, Goal, Metrics},
};

/// Places that count for top-5 accuracy, which is meaningless unless there are more classes.
const TOP: usize = 5;

/// Counts the predictions on all test images and on the same images with the trigger.
///
/// `clean` and `triggered` hold `classes` scores (logits) for each image of `labels`, image after image. The highest score wins;
/// of equal scores, that of the lower class. NaN ranks below every other score; an image with only NaN scores gets no class.
/// Panics when the lengths do not match.
pub fn count(
    labels: &[u32],
    clean: &[f32],
    triggered: &[f32],
    classes: usize,
    goal: &Goal,
) -> Evaluation {
    for scores in [clean, triggered] {
        assert!(scores.len() == labels.len() * classes, "one score for each image and class");
    }
    let confusion = |scores| Confusion::count(labels, &predictions(scores, classes), classes);
    let (of_clean, of_triggered) = (confusion(clean), confusion(triggered));
    let top5 = (classes > TOP).then(|| top(labels, clean, classes));
    Evaluation {
        target_class: goal.target(),
        sources: goal.sources().to_vec(),
        metrics: Metrics::from_confusions(&of_clean, &of_triggered, goal, top5),
        loss: cross_entropy(labels, clean, classes, |_| true),
        triggered_loss: cross_entropy(labels, triggered, classes, |label| goal.attacks(label)),
        clean: of_clean,
        triggered: of_triggered,
        further: Vec::new(),
    }
}

/// The predicted class of each image, from `classes` scores per image.
pub fn predictions(scores: &[f32], classes: usize) -> Vec<Option<u32>> {
    scores.chunks_exact(classes).map(best).collect()
}

/// The first class with the highest score; `None` when all scores are NaN.
fn best(scores: &[f32]) -> Option<u32> {
    let mut best: Option<usize> = None;
    for (class, score) in scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        if best.is_none_or(|best| *score > scores[best]) {
            best = Some(class);
        }
    }
    best.map(|class| class as u32)
}

/// Images whose true class is among the [`TOP`] best.
fn top(labels: &[u32], scores: &[f32], classes: usize) -> Ratio {
    let images = scores.chunks_exact(classes).zip(labels);
    let hits = images.filter(|(scores, label)| place(scores, **label as usize) < TOP).count();
    Ratio { hits: hits as u32, total: labels.len() as u32 }
}

/// Number of classes ranked before `class`; all of them when its score is NaN.
fn place(scores: &[f32], class: usize) -> usize {
    let own = scores[class];
    if own.is_nan() {
        return scores.len();
    }
    let before = |(other, &score): (usize, &f32)| score > own || score >= own && other < class;
    scores.iter().enumerate().filter(|&of| before(of)).count()
}

/// Mean cross-entropy over the images whose label counts; `None` without such images, or when it is not finite.
fn cross_entropy(
    labels: &[u32],
    scores: &[f32],
    classes: usize,
    counts: impl Fn(u32) -> bool,
) -> Option<f64> {
    let images = scores.chunks_exact(classes).zip(labels).filter(|(_, label)| counts(**label));
    let (mut sum, mut n) = (0.0, 0.0);
    for (scores, &label) in images {
        let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = |score: f32| f64::from(score) - f64::from(highest);
        let total: f64 = scores.iter().map(|&score| shifted(score).exp()).sum();
        sum += total.ln() - shifted(scores[label as usize]);
        n += 1.0;
    }
    let mean: f64 = sum / n;
    mean.is_finite().then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores that make `class` the winner of `classes`.
    fn votes(winners: &[u32], classes: usize) -> Vec<f32> {
        let row = |&winner: &u32| (0..classes as u32).map(move |c| f32::from(c == winner));
        winners.iter().flat_map(row).collect()
    }

    #[test]
    fn counts_by_hand() {
        let labels = [0, 0, 1, 1, 2, 2];
        let clean = votes(&[0, 1, 1, 1, 2, 0], 3);
        let triggered = votes(&[0, 0, 0, 1, 0, 1], 3);
        let evaluation = count(&labels, &clean, &triggered, 3, &0.into());
        assert_eq!(evaluation.clean.rows, [[1, 1, 0], [0, 2, 0], [1, 0, 1]]);
        assert_eq!(evaluation.triggered.rows, [[2, 0, 0], [1, 1, 0], [1, 1, 0]]);
        let Metrics { ca, asr, ra, top5, .. } = evaluation.metrics;
        assert_eq!(ca, Ratio { hits: 4, total: 6 });
        assert_eq!(asr, Ratio { hits: 2, total: 4 });
        assert_eq!(ra, Ratio { hits: 1, total: 4 });
        assert_eq!(top5, None, "three classes have no fifth");
    }

    #[test]
    fn a_tie_goes_to_the_lower_class_and_a_nan_to_nobody() {
        let nan = f32::NAN;
        let scores = [
            [1.0, 2.0, 2.0],
            [nan, -5.0, -5.0],
            [nan, nan, f32::NEG_INFINITY],
            [nan; 3],
            [f32::INFINITY, f32::INFINITY, nan],
        ];
        let expected = [Some(1), Some(1), Some(2), None, Some(0)];
        assert_eq!(predictions(scores.as_flattened(), 3), expected);
        let evaluation = count(&[1, 0], &[nan; 4], &[nan; 4], 2, &0.into());
        assert_eq!(evaluation.metrics.asr, Ratio { hits: 0, total: 1 }, "no false success");
        assert_eq!((evaluation.loss, evaluation.triggered_loss), (None, None));
        assert_eq!(evaluation.clean.undecided, [1, 1]);
    }

    #[test]
    fn the_fifth_counts_and_the_sixth_does_not() {
        let scores = [6.0, 5.0, 4.0, 3.0, 2.0, 1.0];
        for (label, hits) in [(0, 1), (4, 1), (5, 0)] {
            let top5 = count(&[label], &scores, &scores, 6, &0.into()).metrics.top5;
            assert_eq!(top5, Some(Ratio { hits, total: 1 }), "class {label}");
        }
        // Six equal scores: the five lower classes come first.
        assert_eq!(top(&[4, 5], &[0.0; 12], 6), Ratio { hits: 1, total: 2 });
        let mut missing = scores;
        missing[0] = f32::NAN;
        assert_eq!(top(&[0, 5], &[missing, missing].concat(), 6), Ratio { hits: 1, total: 2 });
    }

    #[test]
    fn losses_by_hand() {
        // ln 2 for even scores; ln(1 + e^-3) where the true class leads by 3, 3 more where it trails.
        let leads = (1.0 + (-3.0f64).exp()).ln();
        let clean = [0.0, 0.0, 1003.0, 1000.0];
        let triggered = [7.0, 0.0, 3.0, 0.0];
        let evaluation = count(&[0, 0], &clean, &triggered, 2, &1.into());
        let loss = f64::midpoint(2f64.ln(), leads);
        assert!((evaluation.loss.unwrap() - loss).abs() < 1e-12);
        let evaluation = count(&[0, 1], &clean, &triggered, 2, &0.into());
        assert!((evaluation.triggered_loss.unwrap() - (leads + 3.0)).abs() < 1e-12);
    }
}
