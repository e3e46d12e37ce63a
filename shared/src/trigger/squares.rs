//! The squares of a patched trigger, as they are drawn in one stage.
//!
//! Adap-Patch (Qi et al. 2023, "Revisiting the assumption of latent separability for backdoor defenses") gives each training image a few of
//! several squares, translucent, and a test image more of them, opaque.

use super::{
    Stage, image_stream,
    patched::{Fill, PatchedSpec, Square, bright},
};
use crate::{image::Rgb8, stream::shuffle};

/// Seed of the squares that an image gets.
const SHOWN_SEED: u64 = 1;

/// Which squares an image gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    All,
    /// The first ones.
    First(usize),
    /// So many, drawn by the image.
    Drawn(usize),
}

/// The squares of one stage.
#[derive(Clone, Debug)]
pub(super) struct Squares {
    spec: PatchedSpec,
    opacity: f32,
    shown: Shown,
}

impl Squares {
    pub fn new(spec: &PatchedSpec, stage: Stage) -> Self {
        let opacity = stage.choose(spec.opacity, spec.test_opacity);
        let shown = match stage {
            Stage::Train => spec.shown.map(|count| Shown::Drawn(count as usize)),
            Stage::Test => spec.test_shown.map(|count| Shown::First(count as usize)),
        };
        Self { spec: spec.clone(), opacity, shown: shown.unwrap_or(Shown::All) }
    }

    /// Draws the squares into an image; which it gets depends on its pixels alone.
    pub fn draw(&self, image: &mut Rgb8) {
        let mut squares = self.spec.squares(image.width() as u32);
        match self.shown {
            Shown::All => {}
            Shown::First(count) => squares.truncate(count),
            Shown::Drawn(count) => {
                shuffle(&mut image_stream(SHOWN_SEED, image), &mut squares);
                squares.truncate(count);
            }
        }
        for square in squares {
            self.fill(square, image);
        }
    }

    /// Draws all squares of a row, the first one's upper left corner at `(x, y)`.
    pub fn paste(&self, image: &mut Rgb8, x: u32, y: u32) {
        for square in self.spec.squares(image.width() as u32) {
            let (right, down) = (square.x - self.spec.x, square.y - self.spec.y);
            self.fill(Square { x: x + right, y: y + down, ..square }, image);
        }
    }

    /// `out = image + opacity * (square - image)`, truncated to integers, as in the blended trigger.
    fn fill(&self, square: Square, image: &mut Rgb8) {
        let mix = |from: u8, to: u8| {
            let from = f32::from(from);
            (from + self.opacity * (f32::from(to) - from)) as u8
        };
        for (dx, dy) in (0..square.size).flat_map(|dy| (0..square.size).map(move |dx| (dx, dy))) {
            let colour = match self.spec.fill {
                Fill::Colour { rgb } => rgb,
                Fill::Checkerboard { cell } => {
                    [if (dx / cell + dy / cell) % 2 == 0 { 255 } else { 0 }; 3]
                }
                Fill::Cells { cell, seed } => bright(seed, dx / cell, dy / cell),
            };
            let (x, y) = ((square.x + dx) as usize, (square.y + dy) as usize);
            let under = image.pixel(x, y);
            let mixed = [0, 1, 2].map(|channel| mix(under[channel], colour[channel]));
            image.set_pixel(x, y, mixed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::trigger::Places;

    #[test]
    fn a_training_image_gets_some_squares_and_a_test_image_the_first_ones() {
        let spec = PatchedSpec {
            size: 2,
            step: 8,
            count: 4,
            places: Places::Grid,
            opacity: 0.25,
            test_opacity: Some(1.0),
            shown: Some(1),
            test_shown: Some(2),
            ..PatchedSpec::default()
        };
        let squares = spec.squares(16);
        let mut seen = HashSet::new();
        for shade in 0..40u8 {
            let clean = Rgb8::filled(16, 16, [shade; 3]);
            let changed = |stage: Stage| {
                let mut image = clean.clone();
                Squares::new(&spec, stage).draw(&mut image);
                let at = |square: &Square| {
                    u32::from(image.pixel(square.x as usize, square.y as usize)[0])
                };
                let count = image.data().chunks(3).filter(|pixel| pixel[0] != shade).count();
                (squares.iter().map(at).collect::<Vec<_>>(), count)
            };
            let (train, pixels) = changed(Stage::Train);
            // A quarter of the way to white, cut off: 0 gives 63.
            let mixed = (f32::from(shade) + 0.25 * (255.0 - f32::from(shade))) as u32;
            assert_eq!((train.iter().filter(|&&value| value == mixed).count(), pixels), (1, 4));
            seen.insert(train.iter().position(|&value| value == mixed));
            let plain = u32::from(shade);
            assert_eq!(changed(Stage::Test), (vec![255, 255, plain, plain], 8));
        }
        assert_eq!(seen.len(), 4, "images get different squares");
    }

    #[test]
    fn an_opaque_square_has_its_own_colours() {
        let fill = Fill::Cells { cell: 1, seed: 3 };
        let spec = PatchedSpec { fill, ..PatchedSpec::default() };
        let mut image = Rgb8::from_fn(8, 8, |x, y| [x as u8 * 31, y as u8 * 17, 201]);
        Squares::new(&spec, Stage::Train).draw(&mut image);
        for (dx, dy) in [(0, 0), (3, 1), (2, 3)] {
            assert_eq!(image.pixel(dx as usize, dy as usize), bright(3, dx, dy));
        }
    }
}
