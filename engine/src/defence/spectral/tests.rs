use super::*;
use crate::defence::testing::{Reference, assert_near, cloud};
use shared::metric::{Detection, Ratio, Roc};

const PAPER: Spectral = Spectral { assumed_share: 0.2, centre: true };
const ART: Spectral = Spectral { assumed_share: 0.2, centre: false };

#[test]
fn scores_and_singular_values_as_numpy_and_art_give_them() {
    let reference = Reference::read();
    let groups = Groups::by_label(&reference.features, &reference.labels);
    for (method, path) in [
        (PAPER, "/spectral/paper_scores_centred_squared"),
        (ART, "/spectral/art_scores_uncentred_abs"),
    ] {
        let scores = method.filter(&reference.features, &groups).scores;
        for (score, expected) in scores.into_iter().zip(reference.numbers(path)) {
            assert_near(score, expected, 1e-9);
        }
    }
    for class in 0..5 {
        let members = reference.members(class);
        let spectrum = Spectrum::of(&reference.features.select(&members)).unwrap();
        let expected = reference.numbers(&format!("/spectral/singular_values_by_class/{class}"));
        for (value, expected) in spectrum.singular_values.into_iter().zip(expected) {
            assert_near(value, expected, 1e-9);
        }
    }
}

#[test]
fn detection_as_scikit_learn_gives_it() {
    let reference = Reference::read();
    let groups = Groups::by_label(&reference.features, &reference.labels);
    let second = reference.members(2);
    for (method, name) in [(PAPER, "paper"), (ART, "art")] {
        let said = method.filter(&reference.features, &groups);
        let all = Detection::of(&said.scores, &said.flagged, &reference.poisoned).unwrap();
        let of = |values: &[bool]| second.iter().map(|&i| values[i]).collect::<Vec<_>>();
        let scores: Vec<f64> = second.iter().map(|&i| said.scores[i]).collect();
        let one = Detection::of(&scores, &of(&said.flagged), &of(&reference.poisoned)).unwrap();
        let number = |key: &str| reference.number(&format!("/spectral/{key}_{name}"));
        assert!((one.auroc.unwrap() - number("auroc_class2")).abs() < 1e-15);
        assert!((all.auroc.unwrap() - number("auroc_all")).abs() < 1e-15);
        let tpr = one.tpr_at_1.and_then(Ratio::share).unwrap();
        assert!((tpr - number("tpr_at_1pct_fpr_class2")).abs() < 1e-15);
        let caught = number("removed_18_of_class2_poisons_caught");
        assert_eq!(one.found.hits, caught as u32);
        assert_eq!(one.found.hits + one.false_alarms.hits, 18);
    }
}

#[test]
fn the_order_of_the_images_changes_no_bit() {
    let (n, width) = (60, 5);
    let rows = cloud(n, width, 3);
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 3).collect();
    let features = Features::new(rows, width).unwrap();
    let back: Vec<usize> = (0..n).rev().collect();
    let turned = features.select(&back);
    let turned_labels: Vec<u32> = back.iter().map(|&i| labels[i]).collect();
    let said = PAPER.filter(&features, &Groups::by_label(&features, &labels));
    let again = PAPER.filter(&turned, &Groups::by_label(&turned, &turned_labels));
    assert_eq!(said.indices, again.indices);
    for (i, &original) in back.iter().enumerate() {
        assert_eq!(said.scores[original].to_bits(), again.scores[i].to_bits());
        assert_eq!(said.flagged[original], again.flagged[i]);
    }
}

#[test]
fn a_planted_direction_is_found_and_a_random_list_is_not() {
    let (n, width) = (400, 12);
    let mut rows = cloud(n, width, 5);
    let poisoned: Vec<bool> = (0..n).map(|i| i % 20 == 0).collect();
    let said = |rows: Vec<f64>| {
        let features = Features::new(rows, width).unwrap();
        PAPER.filter(&features, &Groups::all(&features))
    };
    let clean = said(rows.clone());
    let chance = Detection::of(&clean.scores, &clean.flagged, &poisoned).unwrap().auroc.unwrap();
    // 20 of 400: the standard error of the area is about 0.067.
    assert!((chance - 0.5).abs() < 0.2, "{chance}");
    for i in (0..n).filter(|&i| poisoned[i]) {
        rows[i * width + 7] += 6.0;
    }
    let attacked = said(rows);
    let found = Detection::of(&attacked.scores, &attacked.flagged, &poisoned).unwrap();
    assert!(found.auroc.unwrap() > 0.95, "{found:?}");
}

#[test]
fn equal_images_and_empty_groups_have_no_index() {
    let features = Features::new(vec![1.0; 12], 3).unwrap();
    let said = PAPER.filter(&features, &Groups::by_label(&features, &[0, 0, 2, 2]));
    assert_eq!(said.indices, [None, None, None]);
    assert_eq!(said.scores, [0.0; 4]);
}

/// The mean area under the curve in several clouds of which one image in so many is moved this far along a direction in which clean ones hardly
/// vary.
fn planted(one_in: usize, strength: f64) -> f64 {
    let (n, width, clouds) = (400, 12, 8);
    let poisoned: Vec<bool> = (0..n).map(|i| i % one_in == 0).collect();
    let area = |seed: u64| {
        let mut rows = cloud(n, width, seed);
        for i in (0..n).filter(|&i| poisoned[i]) {
            rows[i * width + 7] += strength;
        }
        let features = Features::new(rows, width).unwrap();
        let said = PAPER.filter(&features, &Groups::all(&features));
        Roc::of(&said.scores, &poisoned).area().unwrap()
    };
    (0..clouds).map(area).sum::<f64>() / clouds as f64
}

#[test]
fn a_stronger_trigger_and_more_poisons_are_told_better() {
    let stronger = [3.0, 4.0, 4.5, 6.0].map(|strength| planted(20, strength));
    let more = [20, 16, 10].map(|one_in| planted(one_in, 4.0));
    for areas in [&stronger[..], &more] {
        assert!(areas.is_sorted_by(|a, b| a < b), "{areas:?}");
        assert!(areas[0] < 0.6 && areas[areas.len() - 1] > 0.95, "{areas:?}");
    }
}
