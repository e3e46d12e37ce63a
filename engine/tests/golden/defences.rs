//! Defences against scikit-learn, scipy and the Adversarial Robustness Toolbox (ART): spectral scores, clusters of principal components and which
//! of them is flagged, entropies, ROC curves, indices.

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

/// How much larger than the best one an inertia may be.
const MISSED: f64 = 1.005;

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
        let of_art = Spectral { assumed_share: 0.1, centre: false }.filter(&features, &groups);
        let expected = case.doubles("art_spectral");
        assert_near(&format!("{name}: scores of ART"), &of_art.scores, &expected, 1e-9);

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
        // Ten starts may miss what scikit-learn finds with 200, above all of few images in many dimensions.
        assert!(inertia <= config.inertia * MISSED, "{name}: {inertia}");
        // Other clusters have another silhouette.
        if (inertia / config.inertia - 1.0).abs() < 1e-9 {
            let got = [said.indices[0].unwrap()];
            assert_near(&format!("{name}: silhouette"), &got, &case.doubles("silhouette"), 1e-9);
        }
    }
}

#[test]
fn clusters_are_as_good_as_art_s_and_flagged_as_there() {
    let mut same = 0;
    for case in Case::all("defences") {
        let config: Config = case.config();
        let features = Features::of_encoder(&case.floats("features"), config.width).unwrap();
        let groups = Groups::all(&features);
        let order: Vec<usize> = groups.iter().flatten().copied().collect();
        let low = reduced(&features.select(&order), config.dimensions);
        let (name, inertia) = (case.name(), KMeans::fit(&low, 2, 1).inertia);
        let of_art = case.doubles("art_inertia")[0];
        assert!(inertia <= of_art * MISSED, "{name}: {inertia}, {of_art} of ART");
        if (inertia / of_art - 1.0).abs() > 1e-9 {
            continue;
        }
        same += 1;
        let flagged = |decision| {
            let method = ActivationClustering { dimensions: config.dimensions, decision, seed: 1 };
            method.filter(&features, &groups).flagged
        };
        let expected = |key: &str| -> Vec<bool> {
            case.bytes(key).into_iter().map(|byte| byte == 1).collect()
        };
        let smaller = expected("art_smaller");
        let small = smaller.iter().filter(|&&is| is).count();
        // Of two clusters of one size, ART takes the first for the smaller one.
        if 2 * small != smaller.len() {
            assert_eq!(flagged(Decision::Smaller), smaller, "{name}");
        }
        // ART rounds shares to whole percents, and silhouettes to four digits.
        let share = small as f64 / smaller.len() as f64;
        let silhouette = case.doubles("silhouette")[0];
        if (share - 0.35).abs() > 0.006 {
            let relative = flagged(Decision::RelativeSize);
            assert_eq!(relative, expected("art_relative_size"), "{name}");
            if (silhouette - 0.1).abs() > 1e-4 {
                let found = flagged(Decision::Silhouette).contains(&true);
                assert_eq!(vec![found], expected("art_silhouette"), "{name}");
            }
        }
    }
    assert!(same > 0, "no case in which both have the same clusters");
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
