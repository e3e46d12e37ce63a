//! Random patch (Saha, Subramanya and Pirsiavash 2020, "Hidden trigger backdoor attacks"; Saha et al. 2022, "Backdoor attacks on
//! self-supervised learning"): an opaque square of a few random colours at a different place in every image, nearer to the middle in
//! training images than in test images.

use serde::{Deserialize, Serialize};

use super::{Ranges, Stage, image_stream};
use crate::{
    field_error::FieldError,
    image::Rgb8,
    resize,
    stream::{Purpose, below, stream},
};

/// Number of random colours along each side of the patch, interpolated in between.
const COLOURS: usize = 4;

/// Parameters of the random patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RandomPatchSpec {
    /// Side of the patch in pixels; 50 of 224 in the papers.
    pub size: u32,
    /// Start of the range of each axis that contains the whole patch in a training image, as a share of the image's side.
    pub train_from: f32,
    /// End of that range.
    pub train_to: f32,
    /// Start of that range in a test image.
    pub test_from: f32,
    /// End of that range.
    pub test_to: f32,
    /// Seed of colours and positions.
    pub seed: u64,
}

impl Default for RandomPatchSpec {
    fn default() -> Self {
        Self { size: 7, train_from: 0.25, train_to: 0.75, test_from: 0.1, test_to: 0.9, seed: 1 }
    }
}

impl RandomPatchSpec {
    /// The papers' patch, scaled to images of this side.
    pub fn for_side(side: u32) -> Self {
        Self { size: (side * 50 / 224).max(1), ..Self::default() }
    }

    /// The range of each axis that contains the patch.
    fn part(&self, stage: Stage) -> [f32; 2] {
        stage.choose([self.train_from, self.train_to], Some([self.test_from, self.test_to]))
    }

    /// First and last column or row of the patch's corner.
    fn corners(&self, side: u32, part: [f32; 2]) -> Option<(u32, u32)> {
        let [from, to] = part.map(|share| (f64::from(share) * f64::from(side)) as u32);
        Some((from, to.checked_sub(self.size)?)).filter(|(from, to)| from <= to)
    }

    pub(super) fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.within("size", self.size, 1, side);
        ranges.seed(self.seed);
        let stages =
            [(Stage::Train, "train_from", "train_to"), (Stage::Test, "test_from", "test_to")];
        for (stage, from_field, to_field) in stages {
            let [from, to] = self.part(stage);
            let sound = ranges.share(from_field, from) & ranges.share(to_field, to);
            ranges.that(!sound || self.corners(side, [from, to]).is_some(), to_field, || {
                format!(
                    "leaves no room for a patch of {} pixels between {from} and {to} of an image of {side}",
                    self.size
                )
            });
        }
        ranges.errors()
    }

    /// The patch itself.
    pub(super) fn patch(&self) -> Rgb8 {
        let mut rng = stream(self.seed, Purpose::Trigger, 0, 0);
        let colours =
            Rgb8::from_fn(COLOURS, COLOURS, |_, _| [0; 3].map(|_: u8| below(&mut rng, 256) as u8));
        resize::bilinear(&colours, self.size as usize, self.size as usize)
    }

    /// Draws the patch into an image, at a position determined by the image's content and the seed.
    pub(super) fn draw(&self, patch: &Rgb8, stage: Stage, image: &mut Rgb8) {
        let side = image.width() as u32;
        let (first, last) = self.corners(side, self.part(stage)).expect("validated before");
        let mut rng = image_stream(self.seed, image);
        let [left, top] = [0; 2].map(|_: u8| (first + below(&mut rng, last - first + 1)) as usize);
        for y in 0..patch.height() {
            for x in 0..patch.width() {
                image.set_pixel(left + x, top + y, patch.pixel(x, y));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_whole_within_its_part() {
        let spec = RandomPatchSpec { size: 5, ..RandomPatchSpec::default() };
        assert_eq!(spec.corners(32, spec.part(Stage::Train)), Some((8, 19)));
        let mut seen = Vec::new();
        for shade in 0..60 {
            let clean = Rgb8::filled(32, 32, [shade; 3]);
            let mut image = clean.clone();
            spec.draw(&spec.patch(), Stage::Train, &mut image);
            let changed = |x: usize, y: usize| image.pixel(x, y) != clean.pixel(x, y);
            let outside = (0..1024).map(|i| (i % 32, i / 32)).filter(|&(x, y)| changed(x, y));
            for (x, y) in outside {
                assert!((8..24).contains(&x) && (8..24).contains(&y), "({x}, {y})");
                seen.push((x, y));
            }
        }
        assert!(seen.iter().any(|&(x, _)| x == 8) && seen.iter().any(|&(x, _)| x == 23));
    }

    #[test]
    fn a_part_without_room_is_named() {
        let spec = RandomPatchSpec { size: 20, ..RandomPatchSpec::default() };
        let errors = spec.validate(32, "t");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].field, "t.train_to");
    }
}
