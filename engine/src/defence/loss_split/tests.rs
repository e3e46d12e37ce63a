use super::*;
use crate::defence::testing::{assert_at_chance, assert_near, cloud};

#[test]
fn loss_and_slopes_by_hand() {
    // Two classes with scores 0 and ln 3: probabilities 1/4 and 3/4.
    let weights = vec![0.0, 3f64.ln()];
    let head = Head { weights, first: vec![0.0; 2], second: vec![0.0; 2], width: 1, steps: 0 };
    let log_zero = 1e-4f64.ln();
    assert_near(LOG_ZERO, log_zero, 1e-15);
    assert_near(head.loss(&[1.0], 0), 0.1 * 4f64.ln() - log_zero * 0.75, 1e-14);
    assert_near(head.loss(&[1.0], 1), 0.1 * (4.0f64 / 3.0).ln() - log_zero * 0.25, 1e-14);
    let slopes = head.slopes(&[1.0], 0);
    assert_near(slopes[0], (0.1 - log_zero * 0.25) * -0.75, 1e-14);
    assert_near(slopes[1], (0.1 - log_zero * 0.25) * 0.75, 1e-14);
}

#[test]
fn slopes_agree_with_differences() {
    const STEP: f64 = 1e-5;
    let weights = cloud(3, 4, 5);
    let zeros = vec![0.0; 12];
    let of = |weights: Vec<f64>| Head {
        weights,
        first: zeros.clone(),
        second: zeros.clone(),
        width: 4,
        steps: 0,
    };
    let row = [0.3, -1.2, 0.5, 1.0];
    for (class, slope) in of(weights.clone()).slopes(&row, 2).into_iter().enumerate() {
        let at = |by: f64| {
            let mut moved = weights.clone();
            // The last number of a row is its bias.
            moved[4 * class + 3] += by;
            of(moved).loss(&row, 2)
        };
        assert_near((at(STEP) - at(-STEP)) / (2.0 * STEP), slope, 1e-7);
    }
}

const PAPER: LossSplit = LossSplit { epochs: 10, share: 0.5, seed: 7 };

/// Two classes far apart, and images of the first with the label of the second.
fn mislabelled() -> (Features, Vec<u32>) {
    let (n, width) = (200, 5);
    let mut rows = cloud(n, width, 3);
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        row[0] += if i < 100 { 6.0 } else { -6.0 };
    }
    let labels = (0..n as u32).map(|i| u32::from(i >= 90)).collect();
    (Features::new(rows, width).unwrap(), labels)
}

#[test]
fn images_that_their_features_deny_have_the_highest_losses() {
    let (features, labels) = mislabelled();
    let groups = Groups::by_label(&features, &labels);
    // Two steps an epoch: ten epochs would hardly train the head.
    let long = LossSplit { epochs: 200, ..PAPER };
    let said = LossSplit { share: 0.05, ..long }.filter(&features, &labels, &groups);
    let flagged: Vec<usize> = (0..200).filter(|&i| said.flagged[i]).collect();
    assert_eq!(flagged, (90..100).collect::<Vec<_>>());
    let means: Vec<f64> = said.indices.iter().map(|index| index.unwrap()).collect();
    let mean = |images: std::ops::Range<usize>| {
        let n = images.len() as f64;
        said.scores[images].iter().sum::<f64>() / n
    };
    assert_near(means[0], mean(0..90), 1e-12);
    assert_near(means[1], mean(90..200), 1e-12);
    let half = long.filter(&features, &labels, &groups);
    assert_eq!(half.flagged.iter().filter(|&&flagged| flagged).count(), 100);
    assert_eq!(half.scores, said.scores);
}

#[test]
fn neither_order_nor_threads_change_a_bit() {
    let (features, mut labels) = mislabelled();
    // Equal features with different labels, as a copy without its trigger has them.
    let twins: Vec<usize> = (0..200).chain([5, 17]).collect();
    let features = features.select(&twins);
    labels.extend([1, 1]);
    let of = |threads: usize, images: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let features = features.select(images);
        let labels: Vec<u32> = images.iter().map(|&i| labels[i]).collect();
        let groups = Groups::by_label(&features, &labels);
        pool.install(|| PAPER.filter(&features, &labels, &groups))
    };
    let images: Vec<usize> = (0..202).collect();
    let back: Vec<usize> = images.iter().rev().copied().collect();
    let said = of(1, &images);
    assert_eq!(of(3, &images), said);
    let mut turned = of(2, &back);
    turned.scores.reverse();
    turned.flagged.reverse();
    assert_eq!((turned.scores, turned.flagged), (said.scores, said.flagged));
}

#[test]
fn nothing_is_said_of_nothing() {
    let features = Features::new(Vec::new(), 3).unwrap();
    let said = PAPER.filter(&features, &[], &Groups::by_label(&features, &[]));
    assert_eq!(said, Filtered::nothing(0));
}

#[test]
fn among_clean_images_any_list_is_at_chance() {
    let (n, width) = (400, 5);
    let mut rows = cloud(n, width, 3);
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 4).collect();
    for (row, &label) in rows.chunks_exact_mut(width).zip(&labels) {
        row[label as usize] += 2.0;
    }
    let features = Features::new(rows, width).unwrap();
    let said = PAPER.filter(&features, &labels, &Groups::by_label(&features, &labels));
    assert_at_chance(&said.scores);
}
