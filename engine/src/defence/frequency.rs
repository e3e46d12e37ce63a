//! A frequency detector after Zeng et al. 2021 ("Rethinking the backdoor attacks' triggers: a frequency perspective"), as a linear model: clean
//! images against changed ones, by the logarithms of their cosine transform. The paper trains a convolutional network on the transform
//! itself; this is a smaller version, so its numbers are not the paper's.

use std::f64::consts::PI;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::{
    Rgb8,
    stream::{Purpose, below, stream, uniform},
};

use super::DefenceError;
use crate::random::normal;

/// Cells of a spectrum along a side; several coefficients of larger images share one.
const CELLS: usize = 32;
/// Least number of changed images that the model is trained on.
const CHANGED: usize = 2_000;
/// Steps of Adam over all images at once, their size, and the weight of the squared weights.
const STEPS: i32 = 200;
const RATE: f64 = 0.01;
const DECAY: f64 = 1e-4;
/// Side of the images that the published sizes are of.
const PUBLISHED_SIDE: f64 = 32.0;

/// The type-II discrete cosine transform of a square channel, orthonormal: `(side, side)`.
pub fn dct(channel: &[f64], side: usize) -> Vec<f64> {
    let basis: Vec<f64> = (0..side)
        .flat_map(|k| {
            let scale = if k == 0 { 1.0 / side as f64 } else { 2.0 / side as f64 };
            (0..side).map(move |x| {
                scale.sqrt() * (PI * (2 * x + 1) as f64 * k as f64 / (2 * side) as f64).cos()
            })
        })
        .collect();
    let transformed = |rows: &[f64]| -> Vec<f64> {
        // Each row transformed, and the result turned.
        let mut turned = vec![0.0; side * side];
        for (y, row) in rows.chunks_exact(side).enumerate() {
            for (k, wave) in basis.chunks_exact(side).enumerate() {
                turned[k * side + y] = super::features::dot(row, wave);
            }
        }
        turned
    };
    transformed(&transformed(channel))
}

/// Mean of `ln(1 + |coefficient|)` of the 8-bit image in each cell of its spectrum: `(3, cells, cells)`. Coefficients below a grey level hardly
/// count. Panics when the image is not square.
pub fn spectrum(image: &Rgb8) -> Vec<f32> {
    let side = image.width();
    assert_eq!(side, image.height(), "a square image");
    let cells = side.min(CELLS);
    let cell = |at: usize| at * cells / side;
    let mut spectrum = vec![0.0; 3 * cells * cells];
    let mut counts = vec![0.0; cells * cells];
    for at in 0..side * side {
        counts[cell(at / side) * cells + cell(at % side)] += 1.0;
    }
    for channel in 0..3 {
        let values: Vec<f64> =
            image.data().chunks_exact(3).map(|pixel| f64::from(pixel[channel])).collect();
        for (at, coefficient) in dct(&values, side).into_iter().enumerate() {
            let place = cell(at / side) * cells + cell(at % side);
            spectrum[channel * cells * cells + place] +=
                (1.0 + coefficient.abs()).ln() / counts[place];
        }
    }
    spectrum.into_iter().map(|value| value as f32).collect()
}

/// Parts of the clean images, of which each is scored by a model of the others.
const FOLDS: usize = 5;

/// A linear model of spectra.
#[derive(Clone, Debug, PartialEq)]
pub struct FrequencyDetector {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    weights: Vec<f64>,
    bias: f64,
}

impl FrequencyDetector {
    /// Trains on clean images and on changed copies of them, as many of one as of the other.
    ///
    /// # Errors
    /// With fewer than two images.
    pub fn train(clean: &[Rgb8], seed: u64) -> Result<Self, DefenceError> {
        if clean.len() < 2 {
            let (method, of) = ("the frequency detector", "clean images");
            return Err(DefenceError::TooFew { method, of, wanted: 2, got: clean.len() });
        }
        let rounds = CHANGED.div_ceil(clean.len());
        let own: Vec<Vec<f32>> = clean.par_iter().map(spectrum).collect();
        let changed: Vec<Vec<f32>> = (0..rounds * clean.len())
            .into_par_iter()
            .map(|i| {
                let rng = &mut stream(seed, Purpose::Changed, i as u64, 0);
                let other = &clean[below(rng, clean.len() as u32) as usize];
                spectrum(&changed(&clean[i % clean.len()], other, rng))
            })
            .collect();
        // A clean image counts as often as its changed copies.
        let rows: Vec<(&[f32], f64)> = own
            .iter()
            .map(|row| (&row[..], -(rounds as f64)))
            .chain(changed.iter().map(|row| (&row[..], 1.0)))
            .collect();
        Ok(Self::fit(&rows))
    }

    /// Scores of clean images by models that were not trained on them: a model of few images takes its own for clean whatever they look like.
    /// Image `i` is scored by the model of all but those of `i` modulo five.
    ///
    /// # Errors
    /// With fewer than three images.
    pub fn held_out(clean: &[Rgb8], seed: u64) -> Result<Vec<f64>, DefenceError> {
        if clean.len() < 3 {
            let (method, of) = ("the frequency detector", "clean images");
            return Err(DefenceError::TooFew { method, of, wanted: 3, got: clean.len() });
        }
        let folds = FOLDS.min(clean.len());
        let models = (0..folds).map(|fold| {
            let others = clean.iter().enumerate().filter(|(i, _)| i % folds != fold);
            Self::train(&others.map(|(_, image)| image.clone()).collect::<Vec<_>>(), seed)
        });
        let models = models.collect::<Result<Vec<_>, _>>()?;
        Ok(clean.par_iter().enumerate().map(|(i, image)| models[i % folds].score(image)).collect())
    }

    /// The model for rows of numbers with signed weights: positive for changed ones.
    fn fit(rows: &[(&[f32], f64)]) -> Self {
        let width = rows[0].0.len();
        let whole: f64 = rows.iter().map(|(_, weight)| weight.abs()).sum();
        let mean_of = |of: &(dyn Fn(usize, f32) -> f64 + Sync)| -> Vec<f64> {
            let sum =
                |at: usize| rows.iter().map(|(row, w)| w.abs() * of(at, row[at])).sum::<f64>();
            (0..width).into_par_iter().map(|at| sum(at) / whole).collect()
        };
        let mean = mean_of(&|_, value| f64::from(value));
        let variance = mean_of(&|at, value| (f64::from(value) - mean[at]).powi(2));
        let deviation: Vec<f64> = variance.iter().map(|value| (value + 1e-12).sqrt()).collect();
        let mut model = Self { mean, deviation, weights: vec![0.0; width], bias: 0.0 };
        let mut moments = vec![(0.0, 0.0); width + 1];
        for step in 1..=STEPS {
            // The slope of -ln(share of the right side) in a row's score.
            let slopes: Vec<f64> = rows
                .par_iter()
                .map(|&(row, weight)| {
                    let score = model.score_of(row);
                    -weight / (1.0 + (weight.signum() * score).exp()) / whole
                })
                .collect();
            let mut gradient: Vec<f64> = (0..width)
                .into_par_iter()
                .map(|at| {
                    let pairs = rows.iter().zip(&slopes);
                    let sum: f64 = pairs
                        .map(|((row, _), slope)| slope * (f64::from(row[at]) - model.mean[at]))
                        .sum();
                    sum / model.deviation[at] + DECAY * model.weights[at]
                })
                .collect();
            gradient.push(slopes.iter().sum());
            let correction = |beta: f64| 1.0 - beta.powi(step);
            let numbers = model.weights.iter_mut().chain(std::iter::once(&mut model.bias));
            for ((number, (m, v)), gradient) in numbers.zip(&mut moments).zip(gradient) {
                *m = 0.9 * *m + 0.1 * gradient;
                *v = 0.999 * *v + 0.001 * gradient * gradient;
                *number -= RATE * (*m / correction(0.9)) / ((*v / correction(0.999)).sqrt() + 1e-8);
            }
        }
        model
    }

    /// How much more an image looks changed than clean: the logarithm of the odds.
    pub fn score(&self, image: &Rgb8) -> f64 {
        self.score_of(&spectrum(image))
    }

    fn score_of(&self, row: &[f32]) -> f64 {
        let centred = row.iter().zip(&self.mean).map(|(&value, mean)| f64::from(value) - mean);
        let scaled = centred.zip(&self.deviation).map(|(value, deviation)| value / deviation);
        self.bias + scaled.zip(&self.weights).map(|(value, weight)| value * weight).sum::<f64>()
    }
}

/// The image changed in one of the paper's five ways: a white or coloured block in a corner, noise, a shadow, another image over it.
fn changed(image: &Rgb8, other: &Rgb8, rng: &mut ChaCha8Rng) -> Rgb8 {
    match below(rng, 5) {
        0 => block(image, [255; 3], rng),
        1 => {
            let colour = [0; 3].map(|_| below(rng, 256) as u8);
            block(image, colour, rng)
        }
        2 => {
            // The published mean and range of the variance.
            let deviation = (10.0 + 60.0 * f64::from(uniform(rng))).sqrt();
            each(image, |_, value| value + 25.0 + deviation * normal(rng))
        }
        3 => shadow(image, rng),
        _ => each(image, |at, value| value + 0.3 * f64::from(other.data()[at])),
    }
}

/// Each byte replaced, rounded and cut off.
fn each(image: &Rgb8, mut new: impl FnMut(usize, f64) -> f64) -> Rgb8 {
    let mut changed = image.clone();
    for (at, value) in changed.data_mut().iter_mut().enumerate() {
        *value = new(at, f64::from(*value)).round().clamp(0.0, 255.0) as u8;
    }
    changed
}

/// A block of 2 to 7 of 32 pixels a side in a corner, up to 5 of 32 from the edges.
fn block(image: &Rgb8, colour: [u8; 3], rng: &mut ChaCha8Rng) -> Rgb8 {
    let unit = image.width() as f64 / PUBLISHED_SIDE;
    let pixels = |count: u32| (f64::from(count) * unit).round() as usize;
    let (width, height) = (pixels(2 + below(rng, 6)).max(1), pixels(2 + below(rng, 6)).max(1));
    let (right, down) = (pixels(below(rng, 6)), pixels(below(rng, 6)));
    let corner = below(rng, 4);
    let mut changed = image.clone();
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x + right, y + down))) {
        let (x, y) = (x.min(image.width() - 1), y.min(image.height() - 1));
        let x = if corner.is_multiple_of(2) { x } else { image.width() - 1 - x };
        let y = if corner < 2 { y } else { image.height() - 1 - y };
        changed.set_pixel(x, y, colour);
    }
    changed
}

/// Half of the light on one side of a random line.
fn shadow(image: &Rgb8, rng: &mut ChaCha8Rng) -> Rgb8 {
    let (width, height) = (image.width(), image.height());
    let angle = 2.0 * PI * f64::from(uniform(rng));
    let (through_x, through_y) =
        (f64::from(uniform(rng)) * width as f64, f64::from(uniform(rng)) * height as f64);
    each(image, |at, value| {
        let (x, y) = (at / 3 % width, at / 3 / width);
        let beyond = (x as f64 - through_x) * angle.cos() + (y as f64 - through_y) * angle.sin();
        if beyond > 0.0 { value / 2.0 } else { value }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::testing::Reference;

    #[test]
    fn the_transform_as_scipy_gives_it() {
        let reference = Reference::read();
        let got = dct(&reference.numbers("/dct/image"), 8);
        let expected = reference.numbers("/dct/dct2_ortho");
        let largest = expected.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        for (got, expected) in got.into_iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12 * largest, "{got} instead of {expected}");
        }
    }

    #[test]
    fn spectra_by_hand() {
        // A grey image has one coefficient: side times its value.
        let flat = spectrum(&Rgb8::filled(4, 4, [3, 0, 255]));
        assert!((flat[0] - 13f32.ln()).abs() < 1e-6 && flat[16].abs() < 1e-6);
        assert!((flat[32] - 1021f32.ln()).abs() < 1e-5);
        assert!(flat[1..32].iter().all(|value| value.abs() < 1e-6));
        // Of 64 pixels, two by two coefficients share a cell.
        let large = spectrum(&Rgb8::filled(64, 64, [1; 3]));
        assert_eq!(large.len(), 3 * 32 * 32);
        assert!((large[0] - 65f32.ln() / 4.0).abs() < 1e-5);
    }

    /// Smooth images, by number.
    fn images(from: usize, n: usize) -> Vec<Rgb8> {
        (from..from + n)
            .map(|i| {
                let mut rng = stream(4, Purpose::Draw, i as u64, 0);
                let wave = |rng: &mut ChaCha8Rng| {
                    (
                        f64::from(uniform(rng)) * 0.2,
                        f64::from(uniform(rng)) * 0.2,
                        f64::from(uniform(rng)) * 6.0,
                    )
                };
                let waves = [wave(&mut rng), wave(&mut rng), wave(&mut rng)];
                Rgb8::from_fn(32, 32, |x, y| {
                    waves.map(|(a, b, c)| {
                        (120.0
                            + 60.0 * (a * x as f64 + b * y as f64 + c).sin()
                            + 8.0 * normal(&mut rng)) as u8
                    })
                })
            })
            .collect()
    }

    #[test]
    fn a_patch_that_it_was_not_trained_on_is_found_and_a_random_list_is_not() {
        let model = FrequencyDetector::train(&images(0, 200), 1).unwrap();
        assert_eq!(model, FrequencyDetector::train(&images(0, 200), 1).unwrap());
        let unseen = images(1000, 100);
        let patched: Vec<Rgb8> = unseen
            .iter()
            .map(|image| {
                let mut image = image.clone();
                for (x, y) in (0..9).map(|i| (14 + i % 3, 12 + i / 3)) {
                    image.set_pixel(x, y, if (x + y) % 2 == 0 { [255; 3] } else { [0; 3] });
                }
                image
            })
            .collect();
        let scores: Vec<f64> = unseen.iter().chain(&patched).map(|i| model.score(i)).collect();
        let area = |truth: &[bool]| shared::metric::Roc::of(&scores, truth).area().unwrap();
        let truth: Vec<bool> = (0..200).map(|i| i >= 100).collect();
        assert!(area(&truth) > 0.8, "{}", area(&truth));
        let mut random = truth.clone();
        shared::stream::shuffle(&mut stream(1, Purpose::Draw, 7, 7), &mut random);
        // The standard error is 0.04.
        assert!((area(&random) - 0.5).abs() < 0.15, "{}", area(&random));
        assert!(FrequencyDetector::train(&unseen[..1], 1).is_err());
    }

    #[test]
    fn held_out_images_look_more_changed_than_those_of_the_training() {
        let clean = images(0, 30);
        let held_out = FrequencyDetector::held_out(&clean, 1).unwrap();
        let model = FrequencyDetector::train(&clean, 1).unwrap();
        let own: Vec<f64> = clean.iter().map(|image| model.score(image)).collect();
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        assert!(mean(&held_out) > mean(&own) + 1.0, "{} {}", mean(&held_out), mean(&own));
        // Image 7 is scored by the model of all but images 2, 7, 12, 17, 22 and 27.
        let others: Vec<Rgb8> = (0..30).filter(|i| i % 5 != 2).map(|i| clean[i].clone()).collect();
        let other = FrequencyDetector::train(&others, 1).unwrap();
        assert_eq!(held_out[7].to_bits(), other.score(&clean[7]).to_bits());
        // At the limit of held-out images, unseen ones are refused about as often as wanted; at 0, most are.
        let unseen = images(500, 200);
        let limit = crate::defence::limit::limit("", &held_out, 0.1).unwrap();
        let above = |limit: f64| unseen.iter().filter(|i| model.score(i) > limit).count();
        assert!(above(limit) < 60, "{} of 200", above(limit));
        assert!(above(limit) < above(0.0), "{} {}", above(limit), above(0.0));
        assert!(FrequencyDetector::held_out(&clean[..2], 1).is_err());
    }

    #[test]
    fn every_change_changes() {
        let pair = images(0, 2);
        for i in 0..50 {
            let rng = &mut stream(2, Purpose::Changed, i, 0);
            assert_ne!(changed(&pair[0], &pair[1], rng), pair[0]);
        }
    }
}
