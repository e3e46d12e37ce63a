//! Beatrix (Ma et al. 2023, "The Beatrix resurrections"): products of channels, at several powers, that leave the range of clean images of the
//! same class.

use rayon::prelude::*;

use super::{DefenceError, Features, eigen::Eigen, features::dot};

/// The powers of the products.
const POWERS: i32 = 8;
/// Added to a bound before it divides.
const EPSILON: f64 = 1e-6;

/// Channels at several positions of one image: `(channels, positions)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels<'a> {
    /// Numbers, channel by channel.
    pub values: &'a [f64],
    /// Positions.
    pub positions: usize,
}

impl Channels<'_> {
    /// The Gram products of each power `p`: the signed `p`-th root of `v^p (v^p)^T`, of which the upper triangle with the diagonal. Signs are
    /// lost at even powers before the product, so channels should not be negative.
    fn products(&self) -> Vec<f64> {
        let mut products = Vec::new();
        for power in 1..=POWERS {
            let raised: Vec<f64> = self.values.iter().map(|value| value.powi(power)).collect();
            let rows: Vec<&[f64]> = raised.chunks_exact(self.positions).collect();
            for (i, a) in rows.iter().enumerate() {
                for b in &rows[i..] {
                    let product = dot(a, b);
                    let root = product.abs().powf(1.0 / f64::from(power));
                    products.push(root.copysign(product));
                }
            }
        }
        products
    }

    fn channels(&self) -> usize {
        self.values.len() / self.positions
    }
}

/// The range of each product among clean images of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Range {
    /// `width` median absolute deviations (the authors take 10) around the medians of clean images; both medians are the lower of the two
    /// in the middle, as PyTorch's.
    ///
    /// # Errors
    /// Without an image, or when a number is not finite.
    pub fn of(clean: &[Channels<'_>], width: f64) -> Result<Self, DefenceError> {
        if clean.is_empty() {
            let of = "clean images";
            return Err(DefenceError::TooFew { method: "Beatrix", of, wanted: 1, got: 0 });
        }
        let unusable = |image: &Channels<'_>| image.values.iter().any(|value| !value.is_finite());
        if let Some(image) = clean.iter().position(unusable) {
            return Err(DefenceError::NotFinite { what: "features", image });
        }
        let products: Vec<Vec<f64>> = clean.par_iter().map(Channels::products).collect();
        Ok(Self::of_products(&products, width))
    }

    fn of_products(products: &[Vec<f64>], width: f64) -> Self {
        let bounds = |entry: usize| {
            let mut values: Vec<f64> = products.iter().map(|image| image[entry]).collect();
            let middle = lower_median(&mut values);
            for value in &mut values {
                *value = (*value - middle).abs();
            }
            let deviation = lower_median(&mut values);
            (middle - width * deviation, middle + width * deviation)
        };
        let (low, high) = (0..products[0].len()).into_par_iter().map(bounds).unzip();
        Self { low, high }
    }

    /// How far the products of an image lie outside the range, relative to its ends, as the authors sum it: divided by half the squared number
    /// of channels and by the number of powers. Higher is more suspicious.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn deviation(&self, image: &Channels<'_>) -> Result<f64, DefenceError> {
        let products = image.products();
        if products.iter().any(|product| !product.is_finite()) {
            return Err(DefenceError::NotFinite { what: "features", image: 0 });
        }
        Ok(self.outside(&products, image.channels()))
    }

    fn outside(&self, products: &[f64], channels: usize) -> f64 {
        let outside =
            products.iter().zip(self.low.iter().zip(&self.high)).map(|(p, (low, high))| {
                (low - p).max(0.0) / (low + EPSILON).abs()
                    + (p - high).max(0.0) / (high + EPSILON).abs()
            });
        let squared = (channels * channels) as f64;
        outside.sum::<f64>() / (squared / 2.0) / f64::from(POWERS)
    }
}

fn lower_median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// Folds by which clean images get deviations from the range of others, as the authors take.
const FOLDS: usize = 5;
/// Median absolute deviations around the medians, as the authors take.
const WIDTH: f64 = 10.0;

/// The ranges of all classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Beatrix {
    ranges: Vec<Range>,
    /// Deviations of the clean images, each from the range of the others of its class without a fifth of them.
    pub clean: Vec<f64>,
}

impl Beatrix {
    /// The ranges of clean images by their classes; `images` are those of each class.
    ///
    /// # Errors
    /// When a class has fewer than two images; when a number is not finite.
    pub fn of(images: &[Vec<Channels<'_>>]) -> Result<Self, DefenceError> {
        if let Some(few) = images.iter().find(|images| images.len() < 2) {
            let of = "clean images of each class";
            let (method, got) = ("Beatrix", few.len());
            return Err(DefenceError::TooFew { method, of, wanted: 2, got });
        }
        let mut clean = Vec::new();
        for images in images {
            let folds = FOLDS.min(images.len());
            for fold in 0..folds {
                let of = |within: bool| {
                    let places = (0..images.len()).filter(move |i| (i % folds == fold) == within);
                    places.map(|i| images[i].clone()).collect::<Vec<_>>()
                };
                let range = Range::of(&of(false), WIDTH)?;
                for image in of(true) {
                    clean.push(range.deviation(&image)?);
                }
            }
        }
        let ranges =
            images.iter().map(|images| Range::of(images, WIDTH)).collect::<Result<_, _>>()?;
        Ok(Self { ranges, clean })
    }

    /// How far an image lies outside the range of the class that it is given. Higher is more suspicious. Panics for an unknown class.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn deviation(&self, class: u32, image: &Channels<'_>) -> Result<f64, DefenceError> {
        self.ranges[class as usize].deviation(image)
    }
}

/// From tokens to channels that are not negative: principal components of clean tokens, less their least value among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    mean: Vec<f64>,
    /// `(channels, width)`
    directions: Vec<Vec<f64>>,
    least: Vec<f64>,
}

impl Projection {
    /// The first `channels` principal components of these tokens, or all if there are fewer. Panics without tokens.
    pub fn of(tokens: &Features, channels: usize) -> Self {
        let mean = tokens.mean();
        let eigen = Eigen::of(tokens.minus(&mean).gram(), tokens.width());
        let count = channels.min(tokens.width());
        let directions: Vec<Vec<f64>> = (0..count).map(|k| eigen.vector(k).to_vec()).collect();
        let mut projection = Self { mean, directions, least: vec![0.0; count] };
        let coordinates: Vec<Vec<f64>> =
            tokens.rows().map(|token| projection.coordinates(token)).collect();
        projection.least = (0..count)
            .map(|k| coordinates.iter().map(|row| row[k]).fold(f64::INFINITY, f64::min))
            .collect();
        projection
    }

    fn coordinates(&self, token: &[f64]) -> Vec<f64> {
        let centred: Vec<f64> = token.iter().zip(&self.mean).map(|(a, b)| a - b).collect();
        self.directions.iter().map(|direction| dot(direction, &centred)).collect()
    }

    /// The channels of an image's tokens, `(channels, tokens)`: what is below the least value of clean tokens becomes 0.
    pub fn channels(&self, tokens: &Features) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = tokens.rows().map(|token| self.coordinates(token)).collect();
        let of_channel = |k: usize| rows.iter().map(move |row| row[k]);
        let all = self.least.iter().enumerate();
        all.flat_map(|(k, least)| of_channel(k).map(move |value| (value - least).max(0.0)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::testing::{Reference, assert_at_chance, assert_near, cloud};

    const POSITIONS: usize = 6;

    /// The values of the reference's images, of which there are `n`.
    fn images(reference: &Reference, path: &str, n: usize) -> Vec<Vec<f64>> {
        let values = reference.numbers(path);
        values.chunks_exact(values.len() / n).map(<[f64]>::to_vec).collect()
    }

    fn channels(values: &[f64]) -> Channels<'_> {
        Channels { values, positions: POSITIONS }
    }

    #[test]
    fn deviations_as_the_authors_formulas_give_them() {
        let reference = Reference::read();
        let train = images(&reference, "/beatrix/train", 40);
        let query = images(&reference, "/beatrix/query", 6);
        let clean: Vec<Channels<'_>> = train.iter().map(|values| channels(values)).collect();
        for (width, path) in [(10.0, "/beatrix/deviation_k10"), (1.0, "/beatrix/deviation_k1")] {
            let range = Range::of(&clean, width).unwrap();
            for (values, expected) in query.iter().zip(reference.numbers(path)) {
                assert_near(range.deviation(&channels(values)).unwrap(), expected, 1e-9);
            }
        }
    }

    #[test]
    fn a_public_copy_that_raises_nothing_to_powers_sees_less_of_the_planted_images() {
        let reference = Reference::read();
        // The roots of all orders, of the products of the first.
        let products = |values: &Vec<f64>| -> Vec<f64> {
            let all = channels(values).products();
            let first = &all[..all.len() / POWERS as usize];
            let of = |p: i32| {
                let root = move |value: &f64| value.abs().powf(1.0 / f64::from(p)).copysign(*value);
                first.iter().map(root)
            };
            (1..=POWERS).flat_map(of).collect()
        };
        let train = images(&reference, "/beatrix/train", 40);
        let clean: Vec<Vec<f64>> = train.iter().map(products).collect();
        let range = Range::of_products(&clean, 1.0);
        let query = images(&reference, "/beatrix/query", 6);
        let expected = reference.numbers("/beatrix/deviation_k1_without_power");
        let with_power = reference.numbers("/beatrix/deviation_k1");
        for ((values, expected), with_power) in query.iter().zip(expected).zip(with_power) {
            let count = values.len() / POSITIONS;
            assert_near(range.outside(&products(values), count), expected, 1e-9);
            assert!(expected < with_power / 1.5, "{expected} {with_power}");
        }
    }

    #[test]
    fn products_by_hand() {
        // Two channels at two positions: (1, -2) and (3, 0).
        let products = Channels { values: &[1.0, -2.0, 3.0, 0.0], positions: 2 }.products();
        assert_eq!(products[..3], [5.0, 3.0, 9.0]);
        // Squares: (1, 4) and (9, 0): 17, 9, 81, of which the roots.
        assert_eq!(products[3..6], [17f64.sqrt(), 3.0, 9.0]);
        assert_eq!(products.len(), 3 * POWERS as usize);
    }

    #[test]
    fn no_images_and_no_numbers_are_refused() {
        assert!(Range::of(&[], 10.0).is_err());
        let odd = Channels { values: &[f64::NAN, 1.0], positions: 1 };
        assert!(Range::of(std::slice::from_ref(&odd), 10.0).is_err());
    }

    #[test]
    fn a_planted_product_leaves_the_range_of_its_class() {
        let drawn = cloud(2 * 20 * 12, 1, 3);
        let values: Vec<f64> = drawn.iter().map(|value| value.abs() + 1.0).collect();
        let images: Vec<Vec<Channels<'_>>> = values
            .chunks_exact(20 * 12)
            .map(|class| {
                class.chunks_exact(12).map(|values| Channels { values, positions: 6 }).collect()
            })
            .collect();
        let ranges = Beatrix::of(&images).unwrap();
        assert_eq!(ranges.clean.len(), 40);
        let mut planted = values[..12].to_vec();
        planted[..6].iter_mut().for_each(|value| *value *= 30.0);
        let planted = Channels { values: &planted, positions: 6 };
        let own = ranges.deviation(0, &planted).unwrap();
        assert!(ranges.clean.iter().all(|&clean| clean < own), "{own}");
        assert!(ranges.deviation(0, &images[0][0]).unwrap() < 1e-12, "within its own range");
        assert!(Beatrix::of(&[images[0].clone(), Vec::new()]).is_err());
    }

    #[test]
    fn a_projection_by_hand() {
        // Along (1, 1) the tokens lie at -sqrt 2, 0 and sqrt 2.
        let tokens = Features::new(vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0], 2).unwrap();
        let projection = Projection::of(&tokens, 1);
        let channels = projection.channels(&tokens);
        let expected = [0.0, 2f64.sqrt(), 8f64.sqrt()];
        let turned = [8f64.sqrt(), 2f64.sqrt(), 0.0];
        let near = |to: [f64; 3]| channels.iter().zip(to).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(expected) || near(turned), "{channels:?}");
        // Beyond the clean tokens, on the side of 0.
        let beyond = Features::new(vec![-9.0, -9.0, 9.0, 9.0], 2).unwrap();
        assert!(projection.channels(&beyond).contains(&0.0));
    }

    /// Images of three channels whose numbers spread over orders of magnitude, so that many leave the range of a few others.
    fn spread(count: usize, seed: u64) -> Vec<Vec<f64>> {
        let values = cloud(count * 3 * POSITIONS, 1, seed);
        values
            .chunks_exact(3 * POSITIONS)
            .map(|image| image.iter().map(|value| (3.0 * value).exp()).collect())
            .collect()
    }

    /// The ranges of two classes of clean images, in this order.
    fn of_two(order: &[usize]) -> Beatrix {
        let clean = [spread(15, 1), spread(15, 2)];
        let of_class =
            |class: &Vec<Vec<f64>>| order.iter().map(|&i| class[i].clone()).collect::<Vec<_>>();
        let ordered = clean.each_ref().map(of_class);
        let by_class = ordered.each_ref().map(|class| class.iter().map(|v| channels(v)).collect());
        Beatrix::of(&by_class).unwrap()
    }

    /// The deviations of these images, each by one of the two classes.
    fn deviations(of: &Beatrix, images: &[Vec<f64>], places: &[usize]) -> Vec<f64> {
        let one = |&i: &usize| of.deviation(i as u32 % 2, &channels(&images[i])).unwrap();
        places.par_iter().map(one).collect()
    }

    #[test]
    fn among_clean_images_any_list_is_at_chance() {
        let of = of_two(&(0..15).collect::<Vec<_>>());
        let scores = deviations(&of, &spread(400, 3), &(0..400).collect::<Vec<_>>());
        let outside = scores.iter().filter(|&&score| score > 0.0).count();
        assert!(outside > 40, "{outside}");
        assert_at_chance(&scores);
    }

    #[test]
    fn neither_order_nor_threads_change_a_bit() {
        let (images, straight): (_, Vec<usize>) = (spread(60, 3), (0..15).collect());
        let places: Vec<usize> = (0..60).collect();
        let on = |threads: usize, places: &[usize]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let of = of_two(&straight);
                let deviations = deviations(&of, &images, places);
                (of, deviations)
            })
        };
        let (of, said) = on(1, &places);
        assert!(said.iter().any(|&score| score > 0.0));
        assert_eq!(on(3, &places), (of.clone(), said.clone()));
        let back: Vec<usize> = places.iter().rev().copied().collect();
        let mut turned = on(2, &back).1;
        turned.reverse();
        assert_eq!(turned, said);
        // The order of the clean images decides in which fold each is, so not what is said of them themselves.
        let turned: Vec<usize> = straight.iter().rev().copied().collect();
        assert_eq!(of_two(&turned).ranges, of.ranges);
    }
}
