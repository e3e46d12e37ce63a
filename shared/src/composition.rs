//! Composed poisons: pictures that an attacker makes of several images, for a training set without labels (`CorruptEncoder`: Zhang, Liu,
//! Jia and Gong, "Data Poisoning based Backdoor Attacks to Contrastive Learning", CVPR 2024, section 4 and the authors' program).
//!
//! A canvas is twice as wide as high. On one half is the *object*, on the other one the trigger, over a background of another class: a crop
//! that has the one and a crop that has the other come from one picture. The paper cuts the object out of a reference image by a mask.
//! Data sets have no masks here, so the object is the whole reference image, `side` x `side` pixels, as high as the canvas.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    crop::{CropBox, crop},
    image::Rgb8,
    resize,
    stream::below,
    trigger::Trigger,
};

/// A half of a canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// A canvas of `2 side` x `side` pixels for a trigger of one size: where object and trigger may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    side: u32,
    /// Width and height.
    trigger: [u32; 2],
}

impl Canvas {
    /// The canvas for images of `side` x `side` pixels and a trigger of this width and height. Sides that no model has, as in a draft, are
    /// taken for 65,535.
    pub fn new(side: u32, trigger: [u32; 2]) -> Self {
        Self { side: side.min(u16::MAX.into()), trigger }
    }

    /// Its width and height in pixels, for images of `side` x `side`.
    pub fn size(side: usize) -> (usize, usize) {
        (2 * side, side)
    }

    fn width(self) -> u32 {
        2 * self.side
    }

    /// Largest distance of the object from the border: 5 % of the width.
    fn most_offset(self) -> u32 {
        self.width() / 20
    }

    /// Least distance of the trigger from the object and from the border: 12.5 % of the width.
    fn margin(self) -> u32 {
        self.width().div_ceil(8)
    }

    /// First and last row of the trigger: 25 to 75 % of the height.
    fn rows(self) -> (u32, u32) {
        (self.side.div_ceil(4), 3 * self.side / 4)
    }

    /// Width and height of the largest trigger that it has room for, wherever the object is.
    pub fn room(self) -> [u32; 2] {
        let (top, bottom) = self.rows();
        let taken = self.most_offset() + 2 * self.margin();
        [self.side.saturating_sub(taken), bottom.saturating_sub(top)]
    }

    /// Whether it has room for its trigger.
    pub fn has_room(self) -> bool {
        self.trigger.iter().zip(self.room()).all(|(&size, room)| (1..=room).contains(&size))
    }

    /// Draws where object and trigger are, and which part of the background is seen. Panics without room for the trigger.
    pub fn draw(self, reference: u32, half: Half, rng: &mut ChaCha8Rng) -> Composition {
        assert!(self.has_room(), "the trigger was checked against the canvas");
        let [width, height] = self.trigger;
        let offset = below(rng, self.most_offset() + 1);
        let (object_x, first, last) = match half {
            Half::Left => {
                (offset, offset + self.side + self.margin(), self.width() - self.margin() - width)
            }
            Half::Right => {
                let object = self.side - offset;
                (object, self.margin(), object - self.margin() - width)
            }
        };
        let (top, bottom) = self.rows();
        let background_y = below(rng, self.side + 1);
        let trigger_x = first + below(rng, last - first + 1);
        let trigger_y = top + below(rng, bottom - height - top + 1);
        Composition::Object { reference, half, object_x, background_y, trigger_x, trigger_y }
    }
}

/// How a poison is composed. Images are named by their index in the training set; places are in pixels of the canvas. The background is
/// the image that the plan lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Composition {
    /// An object of the target class and the trigger, over the background.
    Object {
        /// The reference image: the object.
        reference: u32,
        /// The half that the object is on.
        half: Half,
        /// Left column of the object.
        object_x: u32,
        /// Upper row of the part that is seen of the background, which is enlarged to the canvas's width.
        background_y: u32,
        /// Left column of the trigger.
        trigger_x: u32,
        /// Upper row of the trigger.
        trigger_y: u32,
    },
    /// Two images of the target class side by side, without trigger and background (`CorruptEncoder+`).
    SupportPair {
        /// The reference image.
        reference: u32,
        /// The support image.
        support: u32,
        /// The half that the reference image is on.
        half: Half,
    },
}

impl Composition {
    /// The images that it is made of besides the background.
    pub fn parts(&self) -> impl Iterator<Item = u32> {
        let (reference, support) = match *self {
            Self::Object { reference, .. } => (reference, None),
            Self::SupportPair { reference, support, .. } => (reference, Some(support)),
        };
        std::iter::once(reference).chain(support)
    }

    /// Whether all of it is within a canvas.
    pub fn fits(&self, canvas: Canvas) -> bool {
        match *self {
            Self::Object { object_x, background_y, trigger_x, trigger_y, .. } => {
                let [width, height] = canvas.trigger;
                object_x <= canvas.side
                    && background_y <= canvas.side
                    && trigger_x.saturating_add(width) <= canvas.width()
                    && trigger_y.saturating_add(height) <= canvas.side
            }
            Self::SupportPair { .. } => true,
        }
    }

    /// The picture, `2 side` x `side`, with a trigger prepared for images of that side. `image` gives a training image by its index,
    /// `side` x `side`; `background` is the index of the background. Panics when it does not fit the canvas ([`Self::fits`]), or the trigger
    /// is no patch.
    ///
    /// # Errors
    /// Those of `image`.
    pub fn picture<'a, E>(
        &self,
        background: u32,
        trigger: &Trigger,
        image: impl Fn(u32) -> Result<Cow<'a, Rgb8>, E>,
    ) -> Result<Rgb8, E> {
        let side = trigger.side();
        let (width, height) = Canvas::size(side);
        match *self {
            Self::Object { reference, object_x, background_y, trigger_x, trigger_y, .. } => {
                let enlarged = resize::bilinear(&*image(background)?, width, width);
                let part = CropBox { x: 0, y: background_y as usize, width, height };
                let mut canvas = crop(&enlarged, part);
                canvas.paste(&*image(reference)?, object_x as usize, 0);
                trigger.paste(&mut canvas, trigger_x as usize, trigger_y as usize);
                Ok(canvas)
            }
            Self::SupportPair { reference, support, half } => {
                let (left, right) = match half {
                    Half::Left => (reference, support),
                    Half::Right => (support, reference),
                };
                let mut canvas = Rgb8::filled(width, height, [0; 3]);
                canvas.paste(&*image(left)?, 0, 0);
                canvas.paste(&*image(right)?, side, 0);
                Ok(canvas)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        stream::{Purpose, stream},
        trigger::{Fill, PatchedSpec, Stage, TriggerSpec},
    };

    #[test]
    fn places_by_hand() {
        // 64 x 32: the object is up to 3.2 px from the border, the trigger 8 px from both, in rows 8 to 23.
        let canvas = Canvas::new(32, [10, 10]);
        assert_eq!((canvas.most_offset(), canvas.margin(), canvas.rows()), (3, 8, (8, 24)));
        assert_eq!(canvas.room(), [32 - 3 - 16, 16]);
        assert!(canvas.has_room() && Canvas::new(32, [13, 16]).has_room());
        assert!(!Canvas::new(32, [14, 1]).has_room() && !Canvas::new(32, [1, 17]).has_room());
        assert!(!Canvas::new(2, [1, 1]).has_room() && !Canvas::new(u32::MAX, [0, 1]).has_room());
    }

    proptest! {
        #[test]
        fn object_and_trigger_keep_their_distances(
            side in 8u32..300, wide in 0.0f64..1.0, high in 0.0f64..1.0, right: bool, seed: u64
        ) {
            let [most_wide, most_high] = Canvas::new(side, [1, 1]).room();
            let size = |share: f64, most: u32| 1 + (share * f64::from(most)) as u32 % most;
            let (w, h) = (size(wide, most_wide), size(high, most_high));
            let canvas = Canvas::new(side, [w, h]);
            let half = if right { Half::Right } else { Half::Left };
            let mut rng = stream(seed, Purpose::Compose, 0, 0);
            let drawn = canvas.draw(7, half, &mut rng);
            prop_assert!(drawn.fits(canvas));
            let Composition::Object { reference, object_x, background_y, trigger_x, trigger_y, .. } = drawn else {
                return Err(TestCaseError::fail("an object"));
            };
            prop_assert_eq!(reference, 7);
            // In twentieths and eighths of the width, and quarters of the height, without a rounding.
            let width = 2 * side;
            let from_border = if right { side - object_x } else { object_x };
            prop_assert!(20 * from_border <= width);
            prop_assert!(background_y <= side);
            let (free_from, free_to) = if right { (0, object_x) } else { (object_x + side, width) };
            prop_assert!(8 * (trigger_x - free_from) >= width, "{drawn:?}");
            prop_assert!(8 * (free_to - trigger_x - w) >= width, "{drawn:?}");
            prop_assert!(4 * trigger_y >= side && 4 * (trigger_y + h) <= 3 * side, "{drawn:?}");
        }
    }

    #[test]
    fn every_place_is_drawn() {
        let canvas = Canvas::new(32, [10, 10]);
        let mut seen = std::collections::BTreeSet::new();
        for i in 0..3000 {
            let mut rng = stream(1, Purpose::Compose, 0, i);
            if let Composition::Object { object_x, trigger_x, trigger_y, .. } =
                canvas.draw(0, Half::Left, &mut rng)
            {
                seen.insert(("object", object_x));
                seen.insert(("x", trigger_x));
                seen.insert(("y", trigger_y));
            }
        }
        let of = |name: &str| -> Vec<u32> {
            seen.iter().filter(|(what, _)| *what == name).map(|(_, at)| *at).collect()
        };
        assert_eq!(of("object"), (0..=3).collect::<Vec<_>>());
        // 32 + 8 to 64 - 8 - 10 beside an object at the border.
        assert_eq!(of("x"), (40..=46).collect::<Vec<_>>());
        assert_eq!(of("y"), (8..=14).collect::<Vec<_>>());
    }

    /// Images of 4 x 4 pixels: the background has grey rows of 0, 40, 80 and 120.
    fn image(index: u32) -> Rgb8 {
        match index {
            0 => Rgb8::from_fn(4, 4, |_, y| [40 * y as u8; 3]),
            1 => Rgb8::filled(4, 4, [200, 1, 2]),
            _ => Rgb8::from_fn(4, 4, |x, _| [x as u8, 9, 8]),
        }
    }

    fn picture(composition: Composition) -> Rgb8 {
        let image = |index: u32| Ok::<_, Infallible>(Cow::Owned(image(index)));
        let Ok(made) = composition.picture(0, &trigger(), image);
        made
    }

    fn trigger() -> Trigger {
        let spec = PatchedSpec { size: 1, x: 3, y: 3, step: 1, ..PatchedSpec::default() };
        Trigger::prepare(&TriggerSpec::Patched(spec), None, 4, Stage::Train).expect("a square")
    }

    #[test]
    fn a_picture_by_hand() {
        let composition = Composition::Object {
            reference: 1,
            half: Half::Right,
            object_x: 4,
            background_y: 3,
            trigger_x: 1,
            trigger_y: 1,
        };
        assert_eq!(composition.parts().collect::<Vec<_>>(), [1]);
        let made = picture(composition);
        // Twice as high, the rows are 0, 10, 30, 50, 70, 90, 110 and 120; those from the fourth on are seen.
        let expected = Rgb8::from_fn(8, 4, |x, y| match (x, y) {
            (1, 1) => [255; 3],
            (0..4, y) => [[50, 70, 90, 110][y]; 3],
            _ => [200, 1, 2],
        });
        assert_eq!(made, expected);
    }

    #[test]
    fn a_pair_by_hand() {
        for half in [Half::Left, Half::Right] {
            let pair = Composition::SupportPair { reference: 1, support: 2, half };
            assert_eq!(pair.parts().collect::<Vec<_>>(), [1, 2]);
            let made = picture(pair);
            let expected = Rgb8::from_fn(8, 4, |x, _| {
                let of_reference = (x < 4) == (half == Half::Left);
                if of_reference { [200, 1, 2] } else { [x as u8 % 4, 9, 8] }
            });
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn a_row_of_squares_is_pasted_as_one() {
        let spec = PatchedSpec {
            size: 2,
            x: 5,
            y: 6,
            count: 2,
            step: 3,
            fill: Fill::Checkerboard { cell: 1 },
            ..PatchedSpec::default()
        };
        let spec = TriggerSpec::Patched(spec);
        assert_eq!(spec.patch_size(), Some([5, 2]));
        let trigger = Trigger::prepare(&spec, None, 16, Stage::Train).expect("squares");
        let mut canvas = Rgb8::filled(7, 3, [9; 3]);
        trigger.paste(&mut canvas, 1, 1);
        let expected =
            [[9, 9, 9, 9, 9, 9, 9], [9, 255, 0, 9, 255, 0, 9], [9, 0, 255, 9, 0, 255, 9]];
        assert_eq!(canvas, Rgb8::from_fn(7, 3, |x, y| [expected[y][x]; 3]));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let canvas = Canvas::new(8, [2, 2]);
        let of = |object_x, background_y, trigger_x, trigger_y| Composition::Object {
            reference: 0,
            half: Half::Left,
            object_x,
            background_y,
            trigger_x,
            trigger_y,
        };
        assert!(of(8, 8, 14, 6).fits(canvas));
        for wrong in [of(9, 0, 0, 0), of(0, 9, 0, 0), of(0, 0, 15, 0), of(0, 0, 0, 7)] {
            assert!(!wrong.fits(canvas), "{wrong:?}");
        }
        assert!(!of(0, 0, u32::MAX, 0).fits(canvas));
    }

    #[test]
    fn a_composition_is_written_and_read() {
        let pair = Composition::SupportPair { reference: 3, support: 9, half: Half::Right };
        let text = serde_json::to_string(&pair).expect("JSON");
        assert_eq!(text, r#"{"kind":"support_pair","reference":3,"support":9,"half":"right"}"#);
        assert_eq!(serde_json::from_str::<Composition>(&text).expect("JSON"), pair);
    }
}
