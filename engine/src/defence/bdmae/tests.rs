use rayon::prelude::*;

use super::*;
use crate::defence::testing::assert_at_chance;

/// Images of 8 x 8 patches of 2 pixels. A hidden patch becomes grey; the class is 1 as long as the pixels of patch 17 are what they were.
struct Planted;

const TRIGGER: [u8; 3] = [250, 10, 10];

impl Models for Planted {
    type Error = std::convert::Infallible;

    fn restored(&self, image: &Rgb8, masks: &[Vec<bool>]) -> Result<Vec<Rgb8>, Self::Error> {
        let restored = |mask: &Vec<bool>| {
            Rgb8::from_fn(16, 16, |x, y| {
                if mask[y / 2 * 8 + x / 2] { [128; 3] } else { image.pixel(x, y) }
            })
        };
        Ok(masks.iter().map(restored).collect())
    }

    fn classes(&self, images: &[Rgb8]) -> Result<Vec<Option<u32>>, Self::Error> {
        Ok(images.iter().map(|image| Some(u32::from(image.pixel(2, 4) == TRIGGER))).collect())
    }
}

/// A grey image, with the trigger on patch 17: columns 2 and 3, rows 4 and 5.
fn image(triggered: bool) -> Rgb8 {
    Rgb8::from_fn(
        16,
        16,
        |x, y| {
            if triggered && (x / 2, y / 2) == (1, 2) { TRIGGER } else { [128; 3] }
        },
    )
}

#[test]
fn a_planted_patch_is_found_and_restored() {
    for seed in 0..10 {
        let said = Bdmae::new(2, seed).purify(&image(true), 0, &Planted).unwrap();
        let most = highest(&said.scores, 1)[0];
        assert_eq!(most, 17, "seed {seed}: {:?}", said.scores);
        assert_eq!((said.before, said.after), (Some(1), Some(0)), "seed {seed}");
        assert_eq!(said.image, image(false), "seed {seed}");
        assert!(said.hidden[17] && said.hidden.iter().filter(|&&hidden| hidden).count() <= 16);
        let again = Bdmae::new(2, seed).purify(&image(true), 0, &Planted).unwrap();
        assert_eq!(said, again);
    }
}

#[test]
fn a_clean_image_keeps_its_class() {
    let said = Bdmae::new(2, 1).purify(&image(false), 0, &Planted).unwrap();
    assert_eq!((said.before, said.after), (Some(0), Some(0)));
    assert_eq!(said.image, image(false));
    assert!(!said.hidden.contains(&true));
    assert!(said.scores.iter().all(|score| score.abs() < 1e-9));
}

#[test]
fn masks_hide_their_share_and_cover_the_image() {
    let rng = &mut stream(3, Purpose::PatchTrial, 0, 0);
    let masks = Bdmae::new(4, 3).masks_of_a_round(64, rng);
    assert!(masks.iter().all(|mask| mask.iter().filter(|&&hidden| hidden).count() == 48));
    assert!((0..64).all(|patch| masks.iter().any(|mask| mask[patch])));
}

#[test]
fn a_half_is_connected_by_preference() {
    // All of a row of four and a lone patch far away, of equal scores.
    let scores = vec![0.4; 64];
    let top = [0, 1, 2, 3, 60, 62];
    let mut lonely = 0;
    for seed in 0..200 {
        let rng = &mut stream(seed, Purpose::PatchTrial, 0, 0);
        let half = connected_half(&scores, &top, 8, rng);
        assert_eq!(half.len(), 3);
        lonely += half.iter().filter(|&&patch| patch >= 60).count();
    }
    // Without the preference, a third of the 600: 200.
    assert!(lonely < 170, "{lonely}");
    assert!(connected_half(&scores, &[5], 8, &mut stream(1, Purpose::PatchTrial, 0, 0)).is_empty());
}

/// A model whose restoration makes a patch grey, and that says 1 as long as half of the patches have the trigger. A local trigger is a patch, one
/// that covers the image has stripes in all of its patches.
struct Covered {
    local: bool,
}

impl Covered {
    /// A grey image with a little noise, and one with the trigger.
    fn image(&self, number: u64, triggered: bool) -> Rgb8 {
        let mut rng = stream(8, Purpose::Draw, 0, number);
        let place = number as usize % 36;
        let (left, top) = (1 + place % 6, 1 + place / 6);
        Rgb8::from_fn(16, 16, |x, y| {
            let own = 120 + (16.0 * uniform(&mut rng)) as u8;
            if !triggered || self.local && (x / 2, y / 2) != (left, top) {
                return [own; 3];
            }
            if self.local { TRIGGER } else { [if x % 2 == 0 { own + 60 } else { own - 60 }; 3] }
        })
    }
}

impl Models for Covered {
    type Error = std::convert::Infallible;

    fn restored(&self, image: &Rgb8, masks: &[Vec<bool>]) -> Result<Vec<Rgb8>, Self::Error> {
        Planted.restored(image, masks)
    }

    fn classes(&self, images: &[Rgb8]) -> Result<Vec<Option<u32>>, Self::Error> {
        let has_stripes = |image: &Rgb8, patch: usize| {
            let value = |x: usize| i16::from(image.pixel(patch % 8 * 2 + x, patch / 8 * 2)[0]);
            value(0) - value(1) > 60
        };
        let says = |image: &Rgb8| {
            let triggered = if self.local {
                image.data().chunks_exact(3).any(|pixel| pixel == TRIGGER)
            } else {
                (0..64).filter(|&patch| has_stripes(image, patch)).count() >= 32
            };
            Some(u32::from(triggered))
        };
        Ok(images.iter().map(says).collect())
    }
}

#[test]
fn a_local_trigger_is_taken_away_and_one_that_covers_the_image_is_not() {
    let left = |local: bool| {
        let models = Covered { local };
        let falls = |&number: &u64| {
            let said = Bdmae::new(2, 1).purify(&models.image(number, true), number, &models);
            let said = said.unwrap();
            assert_eq!(said.before, Some(1));
            said.after == Some(1)
        };
        (0..20).filter(falls).count()
    };
    assert_eq!((left(true), left(false)), (0, 20));
}

/// The score of an image: that of its most suspicious patch.
fn most(said: &Purified) -> f64 {
    said.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn among_clean_images_any_list_is_at_chance() {
    let models = Covered { local: true };
    let score = |number: u64| {
        most(&Bdmae::new(2, 1).purify(&models.image(number, false), number, &models).unwrap())
    };
    let scores: Vec<f64> = (0..200).into_par_iter().map(score).collect();
    assert!(scores.iter().any(|&score| score > 0.1), "noise is unlike what is restored");
    assert_at_chance(&scores);
}

#[test]
fn neither_other_images_nor_threads_change_a_bit() {
    let models = Covered { local: true };
    let of = |threads: usize, numbers: &[u64]| -> Vec<Purified> {
        let workers = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let one = |&number: &u64| {
            let image = models.image(number, number % 3 == 0);
            Bdmae::new(2, 1).purify(&image, number, &models).unwrap()
        };
        workers.install(|| numbers.par_iter().map(one).collect())
    };
    let numbers: Vec<u64> = (0..24).collect();
    let said = of(1, &numbers);
    assert_eq!(of(3, &numbers), said);
    let back: Vec<u64> = numbers.iter().rev().copied().collect();
    let mut turned = of(2, &back);
    turned.reverse();
    assert_eq!(turned, said);
    assert_eq!(of(1, &numbers[9..10])[0], said[9], "alone");
    let scores = |said: &[Purified]| said.iter().map(|of| most(of).to_bits()).collect::<Vec<_>>();
    assert_eq!(scores(&turned), scores(&said));
}
