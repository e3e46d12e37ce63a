use proptest::prelude::*;

use super::*;

/// The 300 rows of features.csv.
fn reference_features() -> Features {
    let rows = include_str!("../../../tests/reference/features.csv").lines().skip(1);
    let values = rows.flat_map(|line| line.split(',').skip(2).map(|n| n.parse().unwrap()));
    Features::new(values.collect(), 8).unwrap()
}

/// The first two numbers of each row, as a start.
fn first_two(features: &Features) -> Vec<[f64; 2]> {
    features.rows().map(|row| [row[0], row[1]]).collect()
}

#[test]
fn affinities_as_scikit_learn_has_them() {
    // scikit-learn 1.9.1: `_joint_probabilities` of squared distances at perplexity 30, which it has in single precision, and the divergence
    // that TSNE(method="exact") reaches in 1000 steps from the principal components. Places are not compared: rounding alone leads to others.
    let reference: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/reference/tsne.json")).unwrap();
    let features = reference_features();
    let affinities = affinities(&features, reference["perplexity"].as_f64().unwrap());
    let largest = affinities.iter().copied().fold(0.0, f64::max);
    let expected = reference["affinities_of_first"].as_array().unwrap();
    assert_eq!(expected.len(), features.len());
    for (affinity, expected) in affinities.iter().zip(expected) {
        let expected = expected.as_f64().unwrap();
        assert!((affinity - expected).abs() < 1e-4 * largest, "{affinity}, not {expected}");
    }
    let sum: f64 = affinities.iter().sum();
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    let found = embed(&features, &first_two(&features), 30.0, &mut ()).divergence;
    let theirs = reference["divergence"].as_f64().unwrap();
    assert!((found - theirs).abs() < 0.15 * theirs, "{found}, not about {theirs}");
}

#[test]
fn affinities_have_the_perplexity() {
    let features = reference_features();
    for perplexity in [2.0, 30.0, 150.0] {
        let mut row: Vec<f64> =
            features.rows().map(|other| squared_distance(features.row(7), other)).collect();
        conditional(&mut row, 7, f64::ln(perplexity));
        let entropy: f64 = row.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - perplexity).abs() < 1e-6, "{}", entropy.exp());
        assert!(row[7].abs() < f64::EPSILON, "no image is its own neighbour");
    }
}

#[test]
fn the_divergence_of_a_line_by_hand() {
    // Three places on a line, two of them one apart and the third two further: squared distances 1, 4, 9, so nearness 1/2, 1/5, 1/10 and,
    // over both directions, shares 5/16, 2/16, 1/16.
    let places = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]];
    let sixth = 1.0 / 6.0;
    let affinities = [0.0, sixth, sixth, sixth, 0.0, sixth, sixth, sixth, 0.0];
    let expected = [5.0, 2.0, 1.0].map(|share: f64| 2.0 * sixth * (sixth * 16.0 / share).ln());
    let expected: f64 = expected.iter().sum();
    let found = divergence(&affinities, &places);
    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
}

#[test]
fn groups_stay_apart() {
    // Two groups of 20 images each, far apart in the third number, which the start does not show.
    let row = |i: usize| {
        let noise = |k: usize| ((i * 37 + k * 101) % 17) as f64 / 17.0;
        [noise(0), noise(1), if i < 20 { 0.0 } else { 50.0 }]
    };
    let features = Features::new((0..40).flat_map(row).collect(), 3).unwrap();
    let places = embed(&features, &first_two(&features), 10.0, &mut ()).places;
    let distance =
        |i: usize, j: usize| (places[i][0] - places[j][0]).hypot(places[i][1] - places[j][1]);
    for i in 0..40 {
        let nearest = (0..40)
            .filter(|&j| j != i)
            .min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)))
            .unwrap();
        assert_eq!(i < 20, nearest < 20, "the nearest neighbour of image {i} is {nearest}");
    }
}

#[test]
fn what_cannot_be_mapped_stays() {
    let one = Features::new(vec![3.0, 4.0], 2).unwrap();
    let found = embed(&one, &[[3.0, 4.0]], 30.0, &mut ());
    assert_eq!(found, Embedding { places: vec![[3.0, 4.0]], divergence: 0.0 });
    // Equal features: each is as near as any other, and all stay where they start.
    let equal = Features::new(vec![1.0; 10], 2).unwrap();
    let found = embed(&equal, &[[0.0; 2]; 5], 2.0, &mut ());
    assert_eq!(found.places, [[0.0; 2]; 5]);
    assert!(found.divergence.abs() < 1e-12, "{}", found.divergence);
}

#[test]
fn no_bit_depends_on_the_threads() {
    let features = reference_features();
    let of = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| embed(&features, &first_two(&features), 30.0, &mut ()))
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn nobody_waits() {
    struct Stopped;
    impl Watch for Stopped {
        fn progress(&mut self, _what: &str, _done: u64, _total: u64) {
            panic!("it goes on")
        }
        fn stopped(&self) -> bool {
            true
        }
    }
    let features = reference_features();
    embed(&features, &first_two(&features), 30.0, &mut Stopped);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The slopes are those of the divergence, by central differences.
    #[test]
    fn slopes_are_those_of_the_divergence(
        values in prop::collection::vec(-2.0f64..2.0, 18),
        places in prop::collection::vec(-2.0f64..2.0, 12),
    ) {
        let features = Features::new(values, 3).unwrap();
        let affinities = affinities(&features, 2.5);
        let places: Vec<[f64; 2]> = places.chunks(2).map(|place| [place[0], place[1]]).collect();
        let slopes = slopes(&affinities, &places, 1.0);
        for i in 0..places.len() {
            for k in 0..2 {
                let at = |step: f64| {
                    let mut moved = places.clone();
                    moved[i][k] += step;
                    divergence(&affinities, &moved)
                };
                let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                prop_assert!((slopes[i][k] - expected).abs() < 1e-6, "{} {}", slopes[i][k], expected);
            }
        }
    }
}
