//! DECREE against `PyTorch` in double precision: loss, gradients, and a short search.

use engine::defence::decree::{Decree, Embed};
use serde::Deserialize;
use shared::Rgb8;

use crate::{case::Case, defences::assert_near};

#[derive(Deserialize)]
struct Config {
    batch: usize,
    epochs: usize,
    seed: u64,
    centred: bool,
    /// Weight of the mask's norm, for the gradients.
    weight: f64,
}

/// Two linear layers with a `tanh` between them.
struct Encoder {
    /// `(hidden, 3 * side * side)` and `(width, hidden)`, with a bias each.
    first: (Vec<f64>, Vec<f64>),
    second: (Vec<f64>, Vec<f64>),
    /// `(images, hidden)` of the last images.
    hidden: Vec<f64>,
}

fn linear((weights, bias): &(Vec<f64>, Vec<f64>), row: &[f64]) -> Vec<f64> {
    let products = weights.chunks_exact(row.len()).zip(bias);
    products.map(|(of, bias)| bias + of.iter().zip(row).map(|(a, b)| a * b).sum::<f64>()).collect()
}

fn transposed(weights: &[f64], row: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; weights.len() / row.len()];
    for (of, value) in weights.chunks_exact(sums.len()).zip(row) {
        sums.iter_mut().zip(of).for_each(|(sum, weight)| *sum += weight * value);
    }
    sums
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

impl Encoder {
    fn of(case: &Case) -> Self {
        let layer = |name: &str| {
            let of = |part: &str| wide(&case.floats(&format!("{name}.{part}")));
            (of("weight"), of("bias"))
        };
        Self { first: layer("first"), second: layer("second"), hidden: Vec::new() }
    }

    fn inputs(&self) -> usize {
        self.first.0.len() / self.first.1.len()
    }
}

impl Embed for Encoder {
    fn features(&mut self, planes: &[f32]) -> Vec<f32> {
        self.hidden.clear();
        let mut features = Vec::new();
        for image in planes.chunks_exact(self.inputs()) {
            let hidden: Vec<f64> =
                linear(&self.first, &wide(image)).into_iter().map(f64::tanh).collect();
            features.extend(linear(&self.second, &hidden).into_iter().map(|value| value as f32));
            self.hidden.extend(hidden);
        }
        features
    }

    fn pixel_gradient(&mut self, dfeatures: &[f32]) -> Vec<f32> {
        let images = dfeatures.chunks_exact(self.width());
        let mut gradient = Vec::new();
        for (dfeatures, hidden) in images.zip(self.hidden.chunks_exact(self.first.1.len())) {
            let mut dhidden = transposed(&self.second.0, &wide(dfeatures));
            dhidden.iter_mut().zip(hidden).for_each(|(d, value)| *d *= 1.0 - value * value);
            gradient.extend(transposed(&self.first.0, &dhidden).into_iter().map(|d| d as f32));
        }
        gradient
    }

    fn width(&self) -> usize {
        self.second.1.len()
    }
}

/// Given features, whatever the images; keeps the gradient.
struct Given {
    features: Vec<f32>,
    width: usize,
    gradient: Vec<f32>,
}

impl Embed for Given {
    fn features(&mut self, _: &[f32]) -> Vec<f32> {
        self.features.clone()
    }

    fn pixel_gradient(&mut self, dfeatures: &[f32]) -> Vec<f32> {
        self.gradient = dfeatures.to_vec();
        Vec::new()
    }

    fn width(&self) -> usize {
        self.width
    }
}

/// The method, and the images.
fn read(case: &Case) -> (Decree, Vec<Rgb8>) {
    let Config { batch, epochs, seed, centred, .. } = case.config();
    let side = case.shape("images")[1];
    let bytes = case.bytes("images");
    let images = bytes
        .chunks_exact(3 * side * side)
        .map(|image| Rgb8::from_raw(side, side, image.to_vec()).unwrap())
        .collect();
    (Decree { side, batch, epochs, centred, seed }, images)
}

/// Cosines are compared as they are: one near 0 is a small difference of large products.
fn assert_cosine(what: &str, got: f64, expected: &[f64], tolerance: f64) {
    assert!((got - expected[0]).abs() <= tolerance, "{what}: {got} instead of {}", expected[0]);
}

#[test]
fn cosines_and_gradients_agree() {
    for case in Case::all("decree") {
        let Config { weight, centred, .. } = case.config();
        let (method, images) = read(&case);
        let planes: Vec<Vec<f32>> = images
            .iter()
            .map(|image| {
                let pixels = image.data().chunks_exact(3);
                (0..3)
                    .flat_map(|c| pixels.clone().map(move |pixel| f32::from(pixel[c]) / 255.0))
                    .collect()
            })
            .collect();
        let (centre, trigger) = (case.doubles("centre"), case.doubles("trigger"));
        let centre = centred.then_some(&centre[..]);
        let all: Vec<usize> = (0..images.len()).collect();
        let mut encoder = Encoder::of(&case);
        let (cosine, gradient) =
            method.cosine(&all, &planes, &trigger, centre, weight, &mut encoder).unwrap();
        // Images and features are in single precision.
        assert_cosine(case.name(), cosine, &case.doubles("cosine"), 1e-6);
        let expected = case.doubles("gradient");
        let (mask, pattern) = gradient.split_at(method.side * method.side);
        let (of_mask, of_pattern) = expected.split_at(mask.len());
        assert_near(&format!("{}: mask", case.name()), mask, of_mask, 1e-5);
        assert_near(&format!("{}: pattern", case.name()), pattern, of_pattern, 1e-5);
    }
}

#[test]
fn cosines_of_given_features_and_their_gradients_agree() {
    for case in Case::all("decree") {
        let (method, _) = read(&case);
        let (features, shape) = (case.floats("features"), case.shape("features"));
        let mut encoder = Given { features, width: shape[1], gradient: Vec::new() };
        let trigger = vec![0.0; 4 * method.side * method.side];
        for (centre, key) in [(None, "plain"), (Some(case.doubles("features.centre")), "centred")] {
            let found = method.cosine(&[], &[], &trigger, centre.as_deref(), 0.0, &mut encoder);
            let what = format!("{}: {key}", case.name());
            let expected = case.doubles(&format!("features.{key}.cosine"));
            assert_cosine(&what, found.unwrap().0, &expected, 1e-12);
            // That of the loss, from which the cosine is subtracted.
            let gradient: Vec<f64> = encoder.gradient.iter().map(|&d| -f64::from(d)).collect();
            let expected = case.doubles(&format!("features.{key}.gradient"));
            assert_near(&what, &gradient, &expected, 1e-6);
        }
    }
}

#[test]
fn searches_agree() {
    for case in Case::all("decree") {
        let (method, images) = read(&case);
        let found = method.invert(&images, &mut Encoder::of(&case), |_, _| true).unwrap();
        let name = case.name();
        assert_cosine(name, found.clean_cosine, &case.doubles("clean_cosine"), 1e-6);
        let expected = case.doubles("epochs");
        assert_eq!(found.epochs.len(), expected.len() / 3, "{name}: epochs");
        for (epoch, expected) in found.epochs.iter().zip(expected.chunks_exact(3)) {
            let what = format!("{name}: {epoch:?}");
            // Steps amplify rounding.
            assert_cosine(&what, epoch.cosine, &expected[..1], 1e-3);
            assert_near(&what, &[epoch.share], &expected[1..2], 1e-3);
            assert_near(&what, &[epoch.weight], &expected[2..], 1e-12);
        }
        let best = found.smallest.map_or_else(Vec::new, |best| [best.mask, best.pattern].concat());
        let expected = case.doubles("smallest");
        assert_eq!(best.len(), expected.len(), "{name}: trigger");
        // On the whole: where a gradient is next to nothing, Adam's steps are of rounding.
        let apart: f64 = best.iter().zip(&expected).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart <= 1e-3 * expected.len() as f64, "{name}: trigger: {apart}");
    }
}
