//! DECREE (Feng et al. 2023, "Detecting backdoors in pre-trained encoders"): the smallest trigger under which the features of all images are
//! alike. A backdoored encoder has a small one.

use rand_chacha::ChaCha8Rng;
use shared::{
    Rgb8,
    stream::{Purpose, shuffle, stream, uniform},
};

use super::DefenceError;
use crate::data::augment::{MEAN, STD};

/// An encoder whose features can be differentiated in the pixels.
pub trait Embed {
    /// Features `(images, width)` of normalised images `(images, 3, side, side)`.
    fn features(&mut self, planes: &[f32]) -> Vec<f32>;

    /// The gradient in the last images from that of their features.
    fn pixel_gradient(&mut self, dfeatures: &[f32]) -> Vec<f32>;

    /// Number of features of an image.
    fn width(&self) -> usize;
}

/// A mean cosine from which features count as alike.
pub const ALIKE: f64 = 0.99;
/// What `tanh` is divided by: a little less than 2, so that the ends of the range can be reached.
const HALF: f64 = 2.0 - 1e-7;
/// Moments of Adam, and what is added to its divisor.
const BETAS: (f64, f64) = (0.5, 0.9);
const EPSILON: f64 = 1e-8;
/// First weight of the mask's norm, what it is multiplied or divided by, and its greatest value.
const WEIGHT: f64 = 1e-3;
const FACTOR: f64 = 5.0;
const MOST: f64 = 1e5;
/// Steps in a row after which the weight changes; steps at the least weight after which it begins anew.
const IN_A_ROW: u32 = 5;
const AT_LEAST: u32 = 10;

/// The method's parameters, beside those that the authors choose by the size of the images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decree {
    /// Side of the images in pixels.
    pub side: usize,
    /// Images of a step.
    pub batch: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// Whether the mean feature of the clean images is subtracted before features are compared: for encoders whose features are all alike.
    pub centred: bool,
    /// Seed of the first trigger and of the order of the images.
    pub seed: u64,
}

/// The values that the authors choose by the size of the images.
struct BySize {
    /// Epochs at which the step size changes.
    changes: [usize; 2],
    /// Steps without a smaller mask after which the search may end.
    patience: u32,
    least_weight: f64,
}

impl Decree {
    fn by_size(&self) -> BySize {
        if self.side <= 64 {
            BySize { changes: [30, 50], patience: 10, least_weight: 1e-5 }
        } else {
            BySize { changes: [200, 500], patience: 35, least_weight: 1e-7 }
        }
    }
}

/// What was found of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Inverted {
    /// The mean cosine of all pairs of clean images' features. From [`ALIKE`] on, the search means nothing and is left out.
    pub clean_cosine: f64,
    /// The smallest trigger; `None` when none made the features alike.
    pub smallest: Option<Smallest>,
    /// The epochs of the search.
    pub epochs: Vec<Epoch>,
}

/// A trigger that makes features alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Smallest {
    /// The mask's norm as a share of the image: the mean of the mask. The norm counts each pixel of the mask once a channel, so it is divided
    /// by `3 * height * width`.
    pub share: f64,
    /// The mean cosine of the images' features under it.
    pub cosine: f64,
    /// How far a pixel is replaced, 0 to 1, row by row.
    pub mask: Vec<f64>,
    /// What it is replaced by, in intensities of 0–1: `(3, side, side)`.
    pub pattern: Vec<f64>,
}

/// An epoch of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Mean cosine of its steps.
    pub cosine: f64,
    /// The mask's share at its end.
    pub share: f64,
    /// The weight of the mask's norm at its end.
    pub weight: f64,
}

/// A trigger in search: numbers that `tanh` maps to mask and pattern, with Adam's moments.
struct Search {
    /// `(side, side)`, then `(3, side, side)`.
    raw: Vec<f64>,
    moments: Vec<(f64, f64)>,
    steps: i32,
}

impl Search {
    fn new(pixels: usize, rng: &mut ChaCha8Rng) -> Self {
        let raw = (0..4 * pixels).map(|_| ((f64::from(uniform(rng)) - 0.5) * HALF).atanh());
        Self { raw: raw.collect(), moments: vec![(0.0, 0.0); 4 * pixels], steps: 0 }
    }

    /// Mask and pattern, one behind the other.
    fn trigger(&self) -> Vec<f64> {
        self.raw.iter().map(|raw| (raw.tanh() / HALF + 0.5).clamp(0.0, 1.0)).collect()
    }

    /// A step against the gradient of the trigger.
    fn step(&mut self, gradient: &[f64], rate: f64) {
        self.steps += 1;
        let correction = |beta: f64| 1.0 - beta.powi(self.steps);
        let (first, second) = (correction(BETAS.0), correction(BETAS.1));
        for ((raw, (m, v)), gradient) in self.raw.iter_mut().zip(&mut self.moments).zip(gradient) {
            let gradient = gradient * (1.0 - raw.tanh().powi(2)) / HALF;
            *m = BETAS.0 * *m + (1.0 - BETAS.0) * gradient;
            *v = BETAS.1 * *v + (1.0 - BETAS.1) * gradient * gradient;
            *raw -= rate * (*m / first) / ((*v / second).sqrt() + EPSILON);
        }
    }
}

/// The weight of the mask's norm: it rises while features are alike, and falls while they are not.
struct Weight {
    value: f64,
    least: f64,
    alike: u32,
    unlike: u32,
    at_least: u32,
}

impl Weight {
    fn new(least: f64) -> Self {
        Self { value: WEIGHT, least, alike: 0, unlike: 0, at_least: 0 }
    }

    fn after_a_step(&mut self, alike: bool) {
        let low = self.value < self.least;
        self.at_least = if alike && low { self.at_least + 1 } else { 0 };
        (self.alike, self.unlike) = if alike { (self.alike + 1, 0) } else { (0, self.unlike + 1) };
        if self.at_least > AT_LEAST {
            (self.value, self.alike, self.at_least) = (WEIGHT, 0, 0);
        } else if self.alike > IN_A_ROW {
            self.alike = 0;
            // From below the least weight it begins anew, and does not rise step by step.
            if self.value < MOST && !low {
                self.value *= FACTOR;
            }
        } else if self.unlike > IN_A_ROW {
            self.unlike = 0;
            if self.value >= self.least {
                self.value /= FACTOR;
            }
        }
    }
}

impl Decree {
    /// Searches for the smallest trigger on clean images of the encoder's size. `watch` is asked after every epoch whether to go on.
    ///
    /// # Errors
    /// With fewer than two images; when a feature is not finite.
    pub fn invert(
        &self,
        images: &[Rgb8],
        encoder: &mut dyn Embed,
        mut watch: impl FnMut(usize, &Epoch) -> bool,
    ) -> Result<Inverted, DefenceError> {
        let got = images.len();
        if got < 2 {
            let (method, of) = ("DECREE", "clean images");
            return Err(DefenceError::TooFew { method, of, wanted: 2, got });
        }
        let planes: Vec<Vec<f32>> = images.iter().map(intensities).collect();
        let clean = self.clean(&planes, encoder)?;
        let centre = self.centred.then(|| mean(&clean, encoder.width()));
        let clean_cosine = alike(&clean, encoder.width(), centre.as_deref())?.0;
        let (mut smallest, mut epochs): (Option<Smallest>, _) = (None, Vec::new());
        if clean_cosine > ALIKE {
            return Ok(Inverted { clean_cosine, smallest, epochs });
        }
        let BySize { changes, patience, least_weight } = self.by_size();
        let mut search = {
            let rng = &mut stream(self.seed, Purpose::Inversion, 0, 0);
            Search::new(self.side * self.side, rng)
        };
        let mut weight = Weight::new(least_weight);
        let mut without_gain = 0;
        for epoch in 0..self.epochs {
            let rate = match epoch {
                epoch if epoch < changes[0] => 0.5,
                epoch if epoch < changes[1] => 0.1,
                _ => 0.05,
            };
            let mut order: Vec<usize> = (0..planes.len()).collect();
            shuffle(&mut stream(self.seed, Purpose::Inversion, 1, epoch as u64), &mut order);
            let (mut cosines, mut steps) = (0.0, 0);
            // A single image has no pair.
            for batch in order.chunks(self.batch).filter(|batch| batch.len() > 1) {
                let trigger = search.trigger();
                let (cosine, gradient) = self.cosine(
                    batch,
                    &planes,
                    &trigger,
                    centre.as_deref(),
                    weight.value,
                    encoder,
                )?;
                let (mask, pattern) = trigger.split_at(self.side * self.side);
                let share = mask.iter().sum::<f64>() / mask.len() as f64;
                let alike = cosine > ALIKE;
                without_gain += 1;
                if alike && smallest.as_ref().is_none_or(|best| share < best.share) {
                    let (mask, pattern) = (mask.to_vec(), pattern.to_vec());
                    smallest = Some(Smallest { share, cosine, mask, pattern });
                    without_gain = 0;
                }
                weight.after_a_step(alike);
                search.step(&gradient, rate);
                (cosines, steps) = (cosines + cosine, steps + 1);
            }
            let mask = &search.trigger()[..self.side * self.side];
            let share = mask.iter().sum::<f64>() / mask.len() as f64;
            let cosine = cosines / f64::from(steps);
            let told = Epoch { cosine, share, weight: weight.value };
            epochs.push(told);
            let settled = cosine > ALIKE && smallest.is_some() && without_gain >= patience;
            if !watch(epoch, &told) || settled {
                break;
            }
        }
        Ok(Inverted { clean_cosine, smallest, epochs })
    }

    /// Features of the clean images.
    fn clean(
        &self,
        planes: &[Vec<f32>],
        encoder: &mut dyn Embed,
    ) -> Result<Vec<f32>, DefenceError> {
        let mut features = Vec::new();
        for batch in planes.chunks(self.batch) {
            let shown: Vec<f32> = batch.iter().flat_map(|image| normalised(image)).collect();
            features.extend(encoder.features(&shown));
        }
        match features.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(DefenceError::NotFinite { what: "features", image: at / encoder.width() })
            }
            None => Ok(features),
        }
    }

    /// The mean cosine of the features of these images under the trigger, and the gradient of `weight * norm - cosine` in the trigger. `planes` are
    /// images in intensities of 0–1, `(3, side, side)`; a trigger has the mask, `(side, side)`, and then the pattern.
    ///
    /// # Errors
    /// When a feature is not finite.
    pub fn cosine(
        &self,
        batch: &[usize],
        planes: &[Vec<f32>],
        trigger: &[f64],
        centre: Option<&[f64]>,
        weight: f64,
        encoder: &mut dyn Embed,
    ) -> Result<(f64, Vec<f64>), DefenceError> {
        let pixels = self.side * self.side;
        let (mask, pattern) = trigger.split_at(pixels);
        let shown: Vec<f32> = batch
            .iter()
            .flat_map(|&image| {
                let planes = planes[image].iter().enumerate();
                planes.map(|(at, &own)| {
                    let share = mask[at % pixels];
                    let mixed = (1.0 - share) * f64::from(own) + share * pattern[at];
                    ((mixed - f64::from(MEAN[at / pixels])) / f64::from(STD[at / pixels])) as f32
                })
            })
            .collect();
        let features = encoder.features(&shown);
        let (cosine, mut dfeatures) = alike(&features, encoder.width(), centre)?;
        for value in &mut dfeatures {
            *value = -*value;
        }
        let dshown = encoder.pixel_gradient(&dfeatures);
        let mut gradient = vec![0.0; 4 * pixels];
        // The norm has each pixel of the mask once a channel.
        gradient[..pixels].fill(3.0 * weight);
        for (&image, dshown) in batch.iter().zip(dshown.chunks_exact(3 * pixels)) {
            for (at, (&own, &d)) in planes[image].iter().zip(dshown).enumerate() {
                let d = f64::from(d) / f64::from(STD[at / pixels]);
                gradient[at % pixels] += (pattern[at] - f64::from(own)) * d;
                gradient[pixels + at] += mask[at % pixels] * d;
            }
        }
        Ok((cosine, gradient))
    }
}

/// The planes of an image in intensities of 0–1.
fn intensities(image: &Rgb8) -> Vec<f32> {
    let pixels = image.data().as_chunks::<3>().0;
    (0..3).flat_map(|c| pixels.iter().map(move |pixel| f32::from(pixel[c]) / 255.0)).collect()
}

fn normalised(planes: &[f32]) -> impl Iterator<Item = f32> + '_ {
    let pixels = planes.len() / 3;
    planes.iter().enumerate().map(move |(at, value)| (value - MEAN[at / pixels]) / STD[at / pixels])
}

fn mean(features: &[f32], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in features.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let n = (features.len() / width) as f64;
    for sum in &mut mean {
        *sum /= n;
    }
    mean
}

/// The mean cosine of all pairs of features, and its gradient in them. `centre` is subtracted from each first.
fn alike(
    features: &[f32],
    width: usize,
    centre: Option<&[f64]>,
) -> Result<(f64, Vec<f32>), DefenceError> {
    let count = features.len() / width;
    let (mut units, mut lengths) = (Vec::with_capacity(features.len()), Vec::with_capacity(count));
    let mut sum = vec![0.0; width];
    for (image, row) in features.chunks_exact(width).enumerate() {
        let own = |at: usize| f64::from(row[at]) - centre.map_or(0.0, |centre| centre[at]);
        let length = (0..width).map(|at| own(at) * own(at)).sum::<f64>().sqrt();
        if !(length.is_finite() && length > 0.0) {
            return Err(DefenceError::NotFinite { what: "directions of the features", image });
        }
        units.extend((0..width).map(|at| own(at) / length));
        sum.iter_mut().zip(&units[image * width..]).for_each(|(sum, value)| *sum += value);
        lengths.push(length);
    }
    let pairs = (count * (count - 1)) as f64;
    let cosine = (sum.iter().map(|value| value * value).sum::<f64>() - count as f64) / pairs;
    let mut gradient = Vec::with_capacity(features.len());
    for (unit, length) in units.chunks_exact(width).zip(lengths) {
        let of_unit = |at: usize| 2.0 * (sum[at] - unit[at]) / pairs;
        let along: f64 = (0..width).map(|at| of_unit(at) * unit[at]).sum();
        gradient.extend((0..width).map(|at| ((of_unit(at) - along * unit[at]) / length) as f32));
    }
    Ok((cosine, gradient))
}

#[cfg(test)]
mod tests;
