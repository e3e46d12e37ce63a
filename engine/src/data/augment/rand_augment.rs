//! `RandAugment` (Cubuk et al. 2020, "`RandAugment`: practical automated data augmentation with a reduced search space") as timm has
//! it: `rand-m9-mstd0.5-inc1`, the augmentation of MAE's fine-tuning.

use rand_chacha::ChaCha8Rng;
use shared::{
    Rgb8,
    stream::{below, uniform},
};

use super::operation::{Operation, OperationKind};
use crate::random::normal;

/// A few operations by chance, each of about the same strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandAugment {
    /// Mean strength of an operation, 0 to 10.
    pub magnitude: f64,
    /// Standard deviation of the strength; what falls outside 0 to 10 is brought to its ends.
    pub deviation: f64,
    /// Operations drawn for a picture, any of them twice or more; each is left out half the time. 0 switches it off.
    pub ops: usize,
}

impl Default for RandAugment {
    fn default() -> Self {
        Self { magnitude: 9.0, deviation: 0.5, ops: 2 }
    }
}

impl RandAugment {
    /// The operations for a picture, in the order in which they are applied.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<Operation> {
        (0..self.ops).filter_map(|_| self.draw_one(rng)).collect()
    }

    /// The picture after the operations drawn for it.
    pub fn apply(&self, image: Rgb8, rng: &mut ChaCha8Rng) -> Rgb8 {
        self.draw(rng).iter().fold(image, |image, operation| operation.apply(&image))
    }

    fn draw_one(&self, rng: &mut ChaCha8Rng) -> Option<Operation> {
        let kind = OperationKind::ALL[below(rng, OperationKind::ALL.len() as u32) as usize];
        let applied = uniform(rng) < 0.5;
        let magnitude = self.magnitude + self.deviation * normal(rng);
        let negative = uniform(rng) < 0.5;
        applied.then(|| kind.at(magnitude, negative))
    }
}

#[cfg(test)]
mod tests {
    use std::mem::discriminant;

    use proptest::prelude::*;
    use shared::stream::{Purpose, stream};

    use super::*;

    fn rng(seed: u64) -> ChaCha8Rng {
        stream(seed, Purpose::Augment, 0, 0)
    }

    fn picture(width: usize, height: usize, seed: u64) -> Rgb8 {
        let mut rng = rng(seed);
        Rgb8::from_fn(width, height, |_, _| [0; 3].map(|_: u8| below(&mut rng, 256) as u8))
    }

    proptest! {
        #[test]
        fn every_operation_keeps_the_size(
            width in 1usize..40, height in 1usize..40, magnitude in 0.0f64..=10.0, negative: bool, seed: u64,
        ) {
            let image = picture(width, height, seed);
            for kind in OperationKind::ALL {
                let changed = kind.at(magnitude, negative).apply(&image);
                prop_assert_eq!((changed.width(), changed.height()), (width, height), "{:?}", kind);
            }
        }

        #[test]
        fn neutral_parameters_change_nothing(width in 1usize..40, height in 1usize..40, seed: u64) {
            let image = picture(width, height, seed);
            for neutral in [
                Operation::Rotate { degrees: 0.0 },
                Operation::Rotate { degrees: 360.0 },
                Operation::Posterize { bits: 8 },
                Operation::Solarize { threshold: 256 },
                Operation::SolarizeAdd { add: 0 },
                Operation::Color { factor: 1.0 },
                Operation::Contrast { factor: 1.0 },
                Operation::Brightness { factor: 1.0 },
                Operation::Sharpness { factor: 1.0 },
                Operation::ShearX { factor: 0.0 },
                Operation::ShearY { factor: 0.0 },
                Operation::TranslateX { share: 0.0 },
                Operation::TranslateY { share: 0.0 },
            ] {
                prop_assert_eq!(&neutral.apply(&image), &image, "{:?}", neutral);
            }
            let twice = Operation::Invert.apply(&Operation::Invert.apply(&image));
            prop_assert_eq!(&twice, &image);
            let mut full = picture(width + 1, height, seed);
            full.set_pixel(0, 0, [0; 3]);
            full.set_pixel(width, 0, [255; 3]);
            prop_assert_eq!(&Operation::AutoContrast.apply(&full), &full, "the full range");
        }

        #[test]
        fn one_stream_gives_one_picture(seed: u64) {
            let image = picture(13, 9, seed);
            let augmented = || RandAugment::default().apply(image.clone(), &mut rng(seed));
            prop_assert_eq!(augmented(), augmented());
            let nothing = RandAugment { ops: 0, ..RandAugment::default() };
            prop_assert_eq!(nothing.apply(image.clone(), &mut rng(seed)), image);
        }
    }

    #[test]
    fn each_operation_comes_as_often_as_any_other_and_half_are_left_out() {
        let mut rng = rng(4);
        let (pictures, mut counts, mut lengths) = (15_000, [0u32; 15], [0u32; 3]);
        for _ in 0..pictures {
            let drawn = RandAugment::default().draw(&mut rng);
            lengths[drawn.len()] += 1;
            for operation in &drawn {
                let same = |kind: &OperationKind| {
                    discriminant(&kind.at(9.0, false)) == discriminant(operation)
                };
                counts[OperationKind::ALL.iter().position(same).expect("one of all")] += 1;
            }
        }
        // Of 30,000 drawn, 15,000 are applied: 1,000 of each, with a deviation of 31; none, one or two a picture in a
        // quarter, a half, a quarter of the cases, with deviations of 53 and 61.
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!((3500..4000).contains(&lengths[0]), "{lengths:?}");
        assert!((7200..7800).contains(&lengths[1]), "{lengths:?}");
    }

    #[test]
    fn strengths_have_their_mean_their_deviation_and_both_directions() {
        let angles = |augment: RandAugment| -> Vec<f64> {
            let mut rng = rng(5);
            let drawn = (0..40_000).flat_map(|_| augment.draw(&mut rng));
            drawn
                .filter_map(|operation| match operation {
                    Operation::Rotate { degrees } => Some(degrees),
                    _ => None,
                })
                .collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        // 5 of 10 is 15 degrees, a deviation of 0.5 is 1.5 degrees.
        let drawn = angles(RandAugment { magnitude: 5.0, ..RandAugment::default() });
        let sizes: Vec<f64> = drawn.iter().map(|angle| angle.abs()).collect();
        let squares: Vec<f64> = sizes.iter().map(|size| (size - 15.0).powi(2)).collect();
        let deviation = mean(&squares).sqrt();
        assert!((mean(&sizes) - 15.0).abs() < 0.15, "{}", mean(&sizes));
        assert!((deviation - 1.5).abs() < 0.1, "{deviation}");
        let left = drawn.iter().filter(|&&angle| angle < 0.0).count() as f64 / drawn.len() as f64;
        assert!((left - 0.5).abs() < 0.05, "{left}");
        // At the highest magnitude half of the draws fall outside and are brought to the end.
        let sizes = angles(RandAugment { magnitude: 10.0, ..RandAugment::default() });
        let most = sizes.iter().filter(|angle| angle.abs() >= 30.0).count();
        assert!((most as f64 / sizes.len() as f64 - 0.5).abs() < 0.05, "{most}");
        assert!(sizes.iter().all(|angle| angle.abs() <= 30.0));
    }
}
