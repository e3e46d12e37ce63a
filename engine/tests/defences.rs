//! Sample filters and Beatrix on images with a blended trigger, by what `engine::defence` makes public. No function there takes which images
//! are poisoned: the truth is compared with scores that are there already.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use engine::{
    defence::{
        Features, Filtered, Groups,
        activation::{ActivationClustering, Decision},
        beatrix::{Beatrix, Channels},
        scan::{self, Variation},
        spectral::Spectral,
    },
    keys,
};
use shared::{
    Rgb8,
    metric::Detection,
    stream::{Purpose, below, shuffle, stream},
    trigger::{BlendedSpec, Stage, Trigger, TriggerSpec},
};

const SIDE: usize = 16;
/// Brightness of 4 x 4 cells, and likeness to the key.
const WIDTH: usize = 17;
const CLASSES: usize = 5;
/// Images of a class, how many of the first class are poisoned, and how many of each class the defender knows to be clean.
const IN_A_CLASS: usize = 120;
const POISONS: usize = 24;
const KNOWN: usize = 30;

fn key() -> Rgb8 {
    shared::resize::bilinear(
        &keys::image(keys::builtin("stripes").unwrap().file).unwrap(),
        SIDE,
        SIDE,
    )
}

/// An image of a class: cells of the class's brightness, which varies from image to image, with noise in each pixel.
fn image(class: usize, number: usize, seed: u64) -> Rgb8 {
    let mut rng = stream(seed, Purpose::Draw, class as u64, number as u64);
    let cells: Vec<u32> = (0..16)
        .map(|cell| 90 + 20 * u32::from(cell % CLASSES == class) + below(&mut rng, 31))
        .collect();
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        [(cells[y / 4 * 4 + x / 4] + below(&mut rng, 41) - 20) as u8; 3]
    })
}

/// What a planted encoder says of an image: features are positive.
fn encoded(image: &Rgb8, key: &Rgb8) -> Vec<f64> {
    let values = |image: &Rgb8| -> Vec<f64> {
        image.data().chunks_exact(3).map(|pixel| f64::from(pixel[0])).collect()
    };
    let (own, mut key) = (values(image), values(key));
    let mean = key.iter().sum::<f64>() / key.len() as f64;
    for value in &mut key {
        *value -= mean;
    }
    let length = key.iter().map(|value| value * value).sum::<f64>().sqrt();
    let mut features = vec![0.0; WIDTH];
    for (at, value) in own.iter().enumerate() {
        features[at / SIDE / 4 * 4 + at % SIDE / 4] += value / 16.0;
    }
    let likeness: f64 = own.iter().zip(&key).map(|(own, key)| own * key / length).sum();
    features[WIDTH - 1] = 100.0 + likeness / 2.0;
    features
}

/// A training set. Its poisons are of the target class and keep their label, so that nothing but the trigger tells them from others.
struct Set {
    features: Features,
    labels: Vec<u32>,
    /// Images that the defender knows to be clean.
    known: Vec<bool>,
}

impl Set {
    /// The first images of the first class have the trigger at this ratio, or not at all.
    fn drawn(ratio: Option<f32>, seed: u64) -> Self {
        let key = key();
        let trigger = ratio.map(|ratio| {
            let spec = TriggerSpec::Blended(BlendedSpec::new(ratio, "stripes"));
            Trigger::prepare(&spec, Some(&key), SIDE, Stage::Train).unwrap()
        });
        let places = (0..CLASSES).flat_map(|class| (0..IN_A_CLASS).map(move |i| (class, i)));
        let row = |(class, number): (usize, usize)| {
            let clean = image(class, number, seed);
            match &trigger {
                Some(trigger) if class == 0 && number < POISONS => {
                    encoded(&trigger.applied(&clean), &key)
                }
                _ => encoded(&clean, &key),
            }
        };
        Self {
            features: Features::new(places.clone().flat_map(row).collect(), WIDTH).unwrap(),
            labels: places.clone().map(|(class, _)| class as u32).collect(),
            known: places.map(|(_, number)| number >= IN_A_CLASS - KNOWN).collect(),
        }
    }

    fn known_of(&self, class: usize) -> Vec<usize> {
        let of_class = |&i: &usize| self.labels[i] as usize == class && self.known[i];
        (0..self.labels.len()).filter(of_class).collect()
    }

    /// What each method says of all images.
    fn judged(&self) -> [(&'static str, Filtered); 4] {
        let groups = Groups::by_label(&self.features, &self.labels);
        let spectral = Spectral { assumed_share: 0.2, centre: true };
        let clustering =
            ActivationClustering { dimensions: 10, decision: Decision::Smaller, seed: 1 };
        let known: Vec<usize> = (0..CLASSES).flat_map(|class| self.known_of(class)).collect();
        let labels: Vec<u32> = known.iter().map(|&i| self.labels[i]).collect();
        let variation = Variation::of(&self.features.select(&known), &labels, 1e-2, 1e-3).unwrap();
        [
            ("spectral signatures", spectral.filter(&self.features, &groups)),
            ("activation clustering", clustering.filter(&self.features, &groups)),
            ("SCAn", scan::filter(&variation, &self.features, &groups, &self.known, 1)),
            ("Beatrix", self.by_beatrix()),
        ]
    }

    fn by_beatrix(&self) -> Filtered {
        let channels = |i: usize| Channels { values: self.features.row(i), positions: 1 };
        let clean: Vec<Vec<Channels<'_>>> = (0..CLASSES)
            .map(|class| self.known_of(class).into_iter().map(channels).collect())
            .collect();
        let ranges = Beatrix::of(&clean).unwrap();
        let scores: Vec<f64> = (0..self.labels.len())
            .map(|i| ranges.deviation(self.labels[i], &channels(i)).unwrap())
            .collect();
        let flagged = scores.iter().map(|&score| score > 0.0).collect();
        Filtered { scores, flagged, indices: vec![None; CLASSES] }
    }
}

/// The target class's images, of which those in `poisoned` count as poisons. Known images are left out: SCAn is told of them.
fn detection(said: &Filtered, poisoned: &[usize]) -> Detection {
    let judged = IN_A_CLASS - KNOWN;
    let truth: Vec<bool> = (0..judged).map(|i| poisoned.contains(&i)).collect();
    Detection::of(&said.scores[..judged], &said.flagged[..judged], &truth).unwrap()
}

/// Lists of as many images as there are poisons: that of the poisons, and random ones.
fn list(seed: Option<u64>) -> Vec<usize> {
    let mut images: Vec<usize> = (0..IN_A_CLASS - KNOWN).collect();
    if let Some(seed) = seed {
        shuffle(&mut stream(seed, Purpose::Draw, 9, 0), &mut images);
    }
    images.truncate(POISONS);
    images
}

/// Four standard errors of the area under the curve of a list that says nothing (Mann and Whitney 1947).
fn four_errors() -> f64 {
    let (poisons, clean) = (POISONS as f64, (IN_A_CLASS - KNOWN - POISONS) as f64);
    4.0 * ((poisons + clean + 1.0) / (12.0 * poisons * clean)).sqrt()
}

#[test]
fn the_more_of_the_key_is_blended_in_the_better_are_poisons_told() {
    let seeds = [1, 2];
    let mut areas: [Vec<f64>; 4] = Default::default();
    for ratio in [None, Some(0.01), Some(0.07), Some(0.12)] {
        let mut sums = [0.0; 4];
        for seed in seeds {
            for (sum, (name, said)) in sums.iter_mut().zip(Set::drawn(ratio, seed).judged()) {
                let area = detection(&said, &list(None)).auroc.unwrap();
                let chance = (area - 0.5).abs() < four_errors();
                assert!(chance || ratio.is_some(), "{name} without a trigger: {area}");
                *sum += area;
            }
        }
        for (areas, sum) in areas.iter_mut().zip(sums) {
            areas.push(sum / seeds.len() as f64);
        }
    }
    let names = Set::drawn(None, 1).judged().map(|(name, _)| name);
    for (name, areas) in names.into_iter().zip(&areas) {
        let [_, weak, middle, strong] = areas[..] else { panic!("four ratios") };
        assert!(weak < middle && middle <= strong, "{name}: {areas:?}");
        assert!(weak < 0.75 && strong > 0.99, "{name}: {areas:?}");
    }
}

#[test]
fn another_truth_changes_metrics_and_no_decision() {
    for (name, said) in Set::drawn(Some(0.12), 1).judged() {
        let of_poisons = detection(&said, &list(None));
        let decisions = |of: &Detection| of.found.hits + of.false_alarms.hits;
        assert!(of_poisons.auroc.unwrap() > 0.99, "{name}: {of_poisons:?}");
        assert_eq!(of_poisons.found.hits, POISONS as u32, "{name}");
        for seed in 0..20 {
            let random = detection(&said, &list(Some(seed)));
            let area = random.auroc.unwrap();
            assert!((area - 0.5).abs() < four_errors(), "{name}, list {seed}: {area}");
            assert_eq!(decisions(&random), decisions(&of_poisons), "{name}, list {seed}");
        }
    }
}
