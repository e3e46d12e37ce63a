//! Defences against scikit-learn and scipy: spectral scores, clusters of principal components, entropies, ROC curves, indices.

use engine::defence::{
    Features, Groups,
    activation::{ActivationClustering, Decision},
    kmeans::KMeans,
    pca::reduced,
    spectral::Spectral,
    strip,
};
use serde::Deserialize;
use shared::{
    Ratio,
    metric::{Detection, anomaly_index, normal_quantile},
};

use crate::case::Case;

#[derive(Deserialize)]
struct Config {
    width: usize,
    dimensions: usize,
    classes: usize,
    inertia: f64,
}

/// Fails unless each number differs by at most `tolerance` times the largest expected magnitude.
pub fn assert_near(what: &str, got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    let largest = expected.iter().fold(1e-12f64, |most, value| most.max(value.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let difference = (got - expected).abs();
        assert!(difference <= tolerance * largest, "{what}: {got} instead of {expected}");
    }
}

#[test]
fn spectral_scores_and_their_detection_agree() {
    for case in Case::all("defences") {
        let config: Config = case.config();
        let features = Features::of_encoder(&case.floats("features"), config.width).unwrap();
        let groups = Groups::all(&features);
        let said = Spectral { assumed_share: 0.1, centre: true }.filter(&features, &groups);
        let name = case.name();
        assert_near(&format!("{name}: scores"), &said.scores, &case.doubles("spectral"), 1e-9);
        let index = [said.indices[0].unwrap()];
        assert_near(&format!("{name}: index"), &index, &case.doubles("first_share"), 1e-9);

        let poisoned: Vec<bool> = case.bytes("poisoned").iter().map(|&byte| byte == 1).collect();
        for (scores, expected) in [("spectral", "roc"), ("coarse", "coarse_roc")] {
            let scores = case.doubles(scores);
            let found = Detection::of(&scores, &vec![false; scores.len()], &poisoned).unwrap();
            let share = |ratio: Option<Ratio>| ratio.and_then(Ratio::share).unwrap();
            let got = [found.auroc.unwrap(), share(found.tpr_at_1), share(found.tpr_at_5)];
            assert_near(&format!("{name}: {expected}"), &got, &case.doubles(expected), 1e-14);
        }
    }
}

#[test]
fn clusters_are_as_good_and_as_far_apart() {
    for case in Case::all("defences") {
        let config: Config = case.config();
        let features = Features::of_encoder(&case.floats("features"), config.width).unwrap();
        let (dimensions, decision) = (config.dimensions, Decision::Smaller);
        let method = ActivationClustering { dimensions, decision, seed: 1 };
        let groups = Groups::all(&features);
        let said = method.filter(&features, &groups);
        let order: Vec<usize> = groups.iter().flatten().copied().collect();
        let low = reduced(&features.select(&order), dimensions);
        let inertia = KMeans::fit(&low, 2, 1).inertia;
        let name = case.name();
        // Ten starts may miss what scikit-learn finds with 200.
        assert!(inertia <= config.inertia * 1.001, "{name}: {inertia}");
        // Other clusters have another silhouette.
        if (inertia / config.inertia - 1.0).abs() < 1e-9 {
            let got = [said.indices[0].unwrap()];
            assert_near(&format!("{name}: silhouette"), &got, &case.doubles("silhouette"), 1e-9);
        }
    }
}

#[test]
fn entropies_quantiles_and_indices_agree() {
    for case in Case::all("defences") {
        let config: Config = case.config();
        let name = case.name();
        let entropy = [strip::entropy(&case.floats("votes"), config.classes).unwrap()];
        assert_near(&format!("{name}: entropy"), &entropy, &case.doubles("entropy"), 1e-12);
        let quantiles: Vec<f64> = case.doubles("shares").into_iter().map(normal_quantile).collect();
        assert_near(&format!("{name}: quantiles"), &quantiles, &case.doubles("quantiles"), 1e-12);
        let index = anomaly_index(&case.doubles("numbers")).unwrap();
        assert_near(&format!("{name}: index"), &index, &case.doubles("index"), 1e-12);
    }
}
