use shared::metric::Detection;

use super::*;
use crate::defence::testing::{Reference, assert_near, cloud};

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
