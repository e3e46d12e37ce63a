//! Values from elsewhere. `engine/tests/reference/` holds features of 300 images (5 classes of 60, of which class 2 has 12 poisons) and what
//! other programs compute of them: numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, Adversarial Robustness Toolbox 1.20.1, and the published
//! formulas of SCAn and Beatrix in numpy.

use serde_json::Value;
use shared::{
    metric::Roc,
    stream::{Purpose, shuffle, stream},
};

use super::Features;

/// The features, and values by JSON pointer.
pub(crate) struct Reference {
    pub(crate) features: Features,
    pub(crate) labels: Vec<u32>,
    pub(crate) poisoned: Vec<bool>,
    values: Value,
}

impl Reference {
    pub(crate) fn read() -> Self {
        let csv = include_str!("../../tests/reference/features.csv");
        let rows: Vec<Vec<f64>> = csv
            .lines()
            .skip(1)
            .map(|line| line.split(',').map(|number| number.parse().unwrap()).collect())
            .collect();
        let features = rows.iter().flat_map(|row| &row[2..]).copied().collect();
        Self {
            features: Features::new(features, 8).unwrap(),
            labels: rows.iter().map(|row| row[0] as u32).collect(),
            poisoned: rows.iter().map(|row| row[1] > 0.0).collect(),
            values: serde_json::from_str(include_str!("../../tests/reference/reference.json"))
                .unwrap(),
        }
    }

    /// The images of a class.
    pub(crate) fn members(&self, class: u32) -> Vec<usize> {
        (0..self.labels.len()).filter(|&image| self.labels[image] == class).collect()
    }

    pub(crate) fn value(&self, path: &str) -> &Value {
        self.values.pointer(path).unwrap_or_else(|| panic!("no {path}"))
    }

    pub(crate) fn number(&self, path: &str) -> f64 {
        self.value(path).as_f64().unwrap()
    }

    /// All numbers at a path, those of nested lists in order.
    pub(crate) fn numbers(&self, path: &str) -> Vec<f64> {
        fn flat(value: &Value, numbers: &mut Vec<f64>) {
            match value {
                Value::Array(values) => values.iter().for_each(|value| flat(value, numbers)),
                value => numbers.push(value.as_f64().unwrap()),
            }
        }
        let mut numbers = Vec::new();
        flat(self.value(path), &mut numbers);
        numbers
    }
}

/// Fails unless `got` differs from `expected` by at most `tolerance` of its magnitude.
pub(crate) fn assert_near(got: f64, expected: f64, tolerance: f64) {
    let difference = (got - expected).abs();
    assert!(difference <= tolerance * expected.abs().max(1e-3), "{got} instead of {expected}");
}

/// Features of `n` images in three directions of different spread, from a fixed stream.
pub(crate) fn cloud(n: usize, width: usize, seed: u64) -> Vec<f64> {
    let mut rng = shared::stream::stream(seed, shared::stream::Purpose::Draw, 0, 0);
    let spread = |i: usize| 1.0 / (1 + i % width) as f64;
    (0..n * width).map(|i| crate::random::normal(&mut rng) * spread(i)).collect()
}

/// Fails unless the scores of clean images tell a tenth of them from the rest no better than chance: the first or the last ones, since poisons
/// stand behind the clean images of a judged set, every tenth, and random lists. The area under the curve of a list is within its interval of
/// 99 % around 0.5 (Mann and Whitney's variance), and that of most random ones within 95 %.
pub(crate) fn assert_at_chance(scores: &[f64]) {
    let n = scores.len();
    let area = |list: &dyn Fn(usize) -> bool| {
        let poisoned: Vec<bool> = (0..n).map(list).collect();
        Roc::of(scores, &poisoned).area().expect("poisoned and clean ones")
    };
    let (few, rest) = ((n / 10) as f64, (n - n / 10) as f64);
    let error = ((n + 1) as f64 / (12.0 * few * rest)).sqrt();
    for (name, list) in [
        ("first", &(|i| i < n / 10) as &dyn Fn(usize) -> bool),
        ("last", &|i| i >= n - n / 10),
        ("every tenth", &|i| i % 10 == 3),
    ] {
        let area = area(list);
        assert!((area - 0.5).abs() < 2.58 * error, "{name}: {area}, standard error {error}");
    }
    let at_chance = |seed: u64| {
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut stream(seed, Purpose::Draw, 2, 0), &mut order);
        let drawn = &order[..n / 10];
        (area(&|i| drawn.contains(&i)) - 0.5).abs() < 1.96 * error
    };
    let within = (0..20).filter(|&seed| at_chance(seed)).count();
    assert!(within >= 17, "{within} of 20 random lists");
}
