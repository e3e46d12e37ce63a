//! Draws the pictures of the preview one by one, so that a page can draw as many of them in a frame as it has time for: a trigger on sixteen
//! photographs takes longer than a frame, and a slider should not wait for it.

use shared::{
    Rgb8, Trigger,
    image::{difference, gain},
};

use super::{
    picture::Picture,
    render::{Drawn, Numbers, Training},
};

/// A picture that was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its place.
    pub at: usize,
    /// With the trigger; `None` where only the difference was drawn anew, at another scale.
    pub triggered: Option<Rgb8>,
    /// What the trigger changes, around mid-grey.
    pub difference: Rgb8,
}

/// What has been drawn of one picture.
#[derive(Debug, Default)]
struct Tile {
    drawn: Option<Drawn>,
    /// Whether the trigger or the picture has changed since it was drawn.
    stale: bool,
    /// The largest difference of all pictures when its difference was drawn.
    scale: u8,
}

/// The pictures with one trigger, and which of them are to be drawn. It begins with none.
#[derive(Debug, Default)]
pub struct Painter {
    trigger: Option<(Trigger, Training)>,
    tiles: Vec<Tile>,
    /// Where to go on, so that each picture has its turn while the trigger keeps changing.
    next: usize,
}

impl Painter {
    /// Goes on with another trigger on `count` pictures. What was drawn stays until its turn comes.
    pub fn restart(&mut self, trigger: Trigger, training: Training, count: usize) {
        self.trigger = Some((trigger, training));
        self.tiles.resize_with(count, Tile::default);
        self.tiles.iter_mut().for_each(|tile| tile.stale = true);
    }

    /// Draws the picture whose turn it is. When all have the trigger, brings the differences to one scale. `None` when nothing is left.
    pub fn step(&mut self, pictures: &[Picture]) -> Option<Step> {
        let (trigger, training) = self.trigger.as_ref()?;
        let (count, next) = (self.tiles.len(), self.next);
        let turns = || (0..count).map(move |turn| (next + turn) % count);
        let fits = |at: usize| {
            let image = &pictures.get(at)?.image;
            (image.width() == trigger.side()).then_some(image)
        };
        let stale =
            turns().find_map(|at| fits(at).filter(|_| self.tiles[at].stale).map(|it| (at, it)));
        if let Some((at, image)) = stale {
            let drawn = Drawn::of(image, trigger, *training);
            let triggered = drawn.triggered.clone();
            self.tiles[at] = Tile { drawn: Some(drawn), ..Tile::default() };
            self.next = (at + 1) % count;
            let scale = self.largest();
            self.tiles[at].scale = scale;
            let difference = difference(image, &triggered, gain(scale));
            return Some(Step { at, triggered: Some(triggered), difference });
        }
        let scale = self.largest();
        let (at, difference) = turns().find_map(|at| {
            let drawn = self.tiles[at].drawn.as_ref().filter(|_| self.tiles[at].scale != scale)?;
            Some((at, difference(fits(at)?, &drawn.triggered, gain(scale))))
        })?;
        self.tiles[at].scale = scale;
        Some(Step { at, triggered: None, difference })
    }

    /// Updates the numbers from the pictures that have the current trigger. The scale is that of all, so that it does not jump while a slider moves.
    pub fn count(&self, numbers: &mut Numbers) {
        let Some((_, training)) = self.trigger else { return };
        let fresh = self.tiles.iter().filter(|tile| !tile.stale);
        numbers.count(fresh.filter_map(|tile| tile.drawn.as_ref()), training);
        numbers.largest = self.largest();
    }

    /// Measures what takes longer than drawing, on the pictures that have the trigger.
    pub fn measure(&self, pictures: &[Picture], numbers: &mut Numbers) {
        let Some((_, training)) = self.trigger else { return };
        let fresh = self.tiles.iter().zip(pictures).filter(|(tile, _)| !tile.stale);
        let both =
            fresh.filter_map(|(tile, it)| Some((&it.image, &tile.drawn.as_ref()?.triggered)));
        numbers.measure(&both.collect::<Vec<_>>(), training);
    }

    fn largest(&self) -> u8 {
        let drawn = self.tiles.iter().filter_map(|tile| tile.drawn.as_ref());
        drawn.map(|drawn| drawn.largest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::render::tests::{picture, square};

    const TRAINING: Training = Training { patch: 4, crop_min_scale: 1.0, mask_ratio: 0.75 };

    fn started(count: usize) -> Painter {
        let mut painter = Painter::default();
        painter.restart(square(0, 1), TRAINING, count);
        painter
    }

    /// The places of all steps that are left.
    fn rest(painter: &mut Painter, pictures: &[Picture]) -> Vec<usize> {
        std::iter::from_fn(|| painter.step(pictures)).map(|step| step.at).collect()
    }

    #[test]
    fn each_picture_has_its_turn_while_the_trigger_changes() {
        let pictures = [picture([9; 3]), picture([9; 3]), picture([9; 3])];
        let mut painter = started(3);
        let mut turns = Vec::new();
        for x in 0..4 {
            painter.restart(square(x, 1), TRAINING, 3);
            turns.extend(painter.step(&pictures).map(|step| step.at));
        }
        assert_eq!(turns, [0, 1, 2, 0]);
        // The first has the last trigger; the others follow, and then nothing is left.
        assert_eq!(rest(&mut painter, &pictures), [1, 2]);
    }

    #[test]
    fn differences_end_at_one_scale() {
        // White on a light grey, on black and on a middle grey: the scale grows with the second picture alone.
        let pictures = [picture([200; 3]), picture([0; 3]), picture([100; 3])];
        let mut painter = started(3);
        let Step { at, triggered, difference } = painter.step(&pictures).expect("a picture");
        let triggered = triggered.expect("the first drawing");
        assert_eq!(at, 0);
        assert_eq!((triggered.pixel(0, 1), triggered.pixel(2, 1)), ([255; 3], [200; 3]));
        assert_eq!((difference.pixel(0, 1), difference.pixel(2, 1)), ([255; 3], [128; 3]));
        assert_eq!(
            (painter.step(&pictures).is_some(), painter.step(&pictures).is_some()),
            (true, true)
        );
        let Step { at, triggered, difference } = painter.step(&pictures).expect("a scale");
        assert_eq!((at, triggered), (0, None));
        // 55 of 255 levels: 128 + 55 * 127 / 255, rounded.
        assert_eq!(difference.pixel(0, 1), [155; 3]);
        assert_eq!(painter.step(&pictures), None);
        let mut numbers = Numbers::default();
        painter.count(&mut numbers);
        painter.measure(&pictures, &mut numbers);
        assert_eq!(
            (numbers.largest, numbers.touched.clone()),
            (255, vec![true, false, false, false])
        );
        assert!(numbers.quality.psnr.is_some() && numbers.survival.is_some());
    }

    #[test]
    fn other_pictures_are_drawn_anew() {
        let mut painter = started(2);
        assert_eq!(rest(&mut painter, &[picture([9; 3]), picture([9; 3])]), [0, 1]);
        // One of them is of another side.
        let large = Picture { image: Rgb8::filled(16, 16, [9; 3]), ..picture([9; 3]) };
        painter.restart(square(0, 1), TRAINING, 3);
        assert_eq!(rest(&mut painter, &[picture([0; 3]), large, picture([0; 3])]), [0, 2]);
        painter.restart(square(0, 1), TRAINING, 0);
        assert!(rest(&mut painter, &[]).is_empty());
    }
}
