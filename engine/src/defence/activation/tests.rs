use shared::metric::{Detection, Roc};

use super::*;
use crate::defence::testing::{Reference, assert_at_chance, assert_near, cloud};

const METHOD: ActivationClustering =
    ActivationClustering { dimensions: 2, decision: Decision::Smaller, seed: 1 };

#[test]
fn clusters_as_scikit_learn_gives_them() {
    let reference = Reference::read();
    let groups = Groups::by_label(&reference.features, &reference.labels);
    let said = METHOD.filter(&reference.features, &groups);
    for class in 0..5 {
        let at = |key: &str| format!("/activation_clustering_pca2/{class}/{key}");
        let members = reference.members(class);
        let low = reduced(&reference.features.select(&members), 2);
        let inertia = KMeans::fit(&low, 2, 1).inertia;
        assert!(inertia <= reference.number(&at("inertia")) * (1.0 + 1e-9), "{inertia}");
        let flagged: Vec<f64> =
            members.iter().filter(|&&i| said.flagged[i]).map(|&i| i as f64).collect();
        assert_eq!(flagged, reference.numbers(&at("small_rows")), "class {class}");
        let index = said.indices[class as usize].unwrap();
        assert_near(index, reference.number(&at("silhouette")), 1e-9);
    }
    let found = Detection::of(&said.scores, &said.flagged, &reference.poisoned).unwrap();
    assert_eq!((found.found.hits, found.found.total), (12, 12));
}

#[test]
fn only_the_poisoned_class_is_small_and_apart() {
    let reference = Reference::read();
    let groups = Groups::by_label(&reference.features, &reference.labels);
    for decision in [Decision::RelativeSize, Decision::Silhouette] {
        let said = ActivationClustering { decision, ..METHOD }.filter(&reference.features, &groups);
        let flagged = said.flagged.iter().filter(|&&flagged| flagged).count();
        assert_eq!(flagged, 19, "{decision:?}: the smaller cluster of class 2 alone");
        assert!(said.flagged.iter().zip(&reference.labels).all(|(&f, &class)| !f || class == 2));
    }
}

#[test]
fn the_order_of_the_images_changes_no_bit() {
    let (n, width) = (80, 6);
    let features = Features::new(cloud(n, width, 9), width).unwrap();
    let back: Vec<usize> = (0..n).map(|i| (i * 37) % n).collect();
    let turned = features.select(&back);
    let said = METHOD.filter(&features, &Groups::by_cluster(&features, 3, 4));
    let again = METHOD.filter(&turned, &Groups::by_cluster(&turned, 3, 4));
    assert_eq!(said.indices, again.indices);
    for (i, &original) in back.iter().enumerate() {
        assert_eq!(said.scores[original].to_bits(), again.scores[i].to_bits());
        assert_eq!(said.flagged[original], again.flagged[i]);
    }
}

#[test]
fn images_alone_and_pairs() {
    let features = Features::new(vec![0.0, 1.0, 5.0], 1).unwrap();
    let said = METHOD.filter(&features, &Groups::by_label(&features, &[0, 1, 1]));
    assert_eq!(said.indices, [None, Some(0.0)]);
    assert_eq!(said.flagged.iter().filter(|&&flagged| flagged).count(), 1);
}

#[test]
fn among_clean_images_any_list_is_at_chance() {
    let (n, width) = (400, 12);
    let features = Features::new(cloud(n, width, 5), width).unwrap();
    let labels: Vec<u32> = (0..n as u32).map(|i| i % 4).collect();
    let said = METHOD.filter(&features, &Groups::by_label(&features, &labels));
    assert_at_chance(&said.scores);
}

#[test]
fn a_stronger_trigger_is_told_better() {
    let (n, width, clouds) = (400, 12, 8);
    let poisoned: Vec<bool> = (0..n).map(|i| i % 8 == 0).collect();
    let area = |strength: f64, cloud_seed: u64| {
        let mut rows = cloud(n, width, cloud_seed);
        for i in (0..n).filter(|&i| poisoned[i]) {
            rows[i * width] += strength;
        }
        let features = Features::new(rows, width).unwrap();
        let said = METHOD.filter(&features, &Groups::all(&features));
        Roc::of(&said.scores, &poisoned).area().unwrap()
    };
    let mean =
        |strength: f64| (0..clouds).map(|seed| area(strength, seed)).sum::<f64>() / clouds as f64;
    let areas = [0.0, 2.0, 3.0, 5.0].map(mean);
    assert!(areas.is_sorted_by(|a, b| a < b), "{areas:?}");
    assert!(areas[0] < 0.6 && areas[3] > 0.99, "{areas:?}");
}
