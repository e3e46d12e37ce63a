use super::*;

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
