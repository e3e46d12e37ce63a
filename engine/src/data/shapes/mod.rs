//! The built-in data set: 32-px colour pictures in ten classes, drawn from a seed.
//!
//! The *shape* alone makes the class; colour, place, size, proportion, turn, background and noise vary. The shape is lighter
//! than its ground. Nothing in a picture is striped, and a checkered background keeps to two colours close to each other: no
//! clean picture looks triggered. Only operations that IEEE 754 defines to the last bit are used (no sine, no power), so the
//! pictures are the same on every machine; the fingerprint relies on it.

mod colour;
mod ground;
mod outline;

use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use shared::{
    Rgb8,
    api::Split,
    stream::{Purpose, stream, uniform},
};

use super::Entry;
use crate::hash::hex;
use colour::{Colour, mix};
use ground::Ground;
use outline::Outline;

/// Side of a picture in pixels.
pub const SIDE: usize = 32;
/// Training pictures of each class.
pub const TRAIN_PER_CLASS: u32 = 500;
/// Validation pictures of each class.
pub const TEST_PER_CLASS: u32 = 100;

/// Raised with every change that changes a pixel.
const VERSION: u32 = 2;
/// Seed of all pictures.
const SEED: u64 = 2023;
/// Points per pixel and axis at which the outline is tested.
const SUPERSAMPLE: usize = 4;

/// What makes the pictures hard or easy.
mod difficulty {
    /// Diameter of the shape's circumscribed circle as a share of the side.
    pub const SIZE: (f64, f64) = (0.7, 0.92);
    /// Largest distance of the shape's centre from the picture's, in pixels along each axis.
    pub const SHIFT: f64 = 2.0;
    /// Tangent of half the largest turn: 12 degrees either way.
    pub const TAN_HALF_TURN: f64 = 0.105_104_235;
    /// Width over height of the shape.
    pub const PROPORTION: (f64, f64) = (0.87, 1.15);
    /// Least distance of every colour of the shape from every colour of the ground, of at most 441 (black to white).
    pub const CONTRAST: f64 = 105.0;
    /// How much lighter every colour of the shape is than every colour of the ground, in luma of 255.
    pub const LIGHTER: f64 = 50.0;
    /// Factor on the ground's first colour, which leaves room above it.
    pub const GROUND_SHADE: f64 = 0.65;
    /// Largest difference between the ground's two colours, per channel.
    pub const GROUND_SPREAD: f64 = 60.0;
    /// Largest difference between the shape's two colours, per channel.
    pub const SHAPE_SPREAD: f64 = 40.0;
    /// Most soft specks on the ground.
    pub const SPECKS: u32 = 3;
    /// Largest amplitude of the noise, in intensities of 255.
    pub const NOISE: f64 = 10.0;
}

/// The random numbers of one picture.
pub(in crate::data) struct Draw(ChaCha8Rng);

impl Draw {
    /// Uniform in `[low, high)`.
    fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * f64::from(uniform(&mut self.0))
    }

    /// Uniform in `0..bound`.
    fn below(&mut self, bound: u32) -> u32 {
        shared::stream::below(&mut self.0, bound)
    }
}

/// Names of the classes, sorted.
pub fn class_names() -> Vec<String> {
    Outline::ALL.iter().map(|outline| outline.name().to_string()).collect()
}

fn per_class(split: Split) -> u32 {
    match split {
        Split::Train => TRAIN_PER_CLASS,
        Split::Test => TEST_PER_CLASS,
    }
}

/// The pictures of a split: by class, then by number.
pub(super) fn entries(split: Split) -> Vec<Entry> {
    let folder = match split {
        Split::Train => "train",
        Split::Test => "val",
    };
    let each = per_class(split);
    let of_class = |(class, name): (usize, String)| {
        (0..each).map(move |n| {
            let class = class as u32;
            Entry::drawn(format!("{folder}/{name}/{n:04}"), class, class * each + n)
        })
    };
    class_names().into_iter().enumerate().flat_map(of_class).collect()
}

/// SHA-256 in hex over what the pictures follow from.
pub(super) fn fingerprint() -> String {
    let text = format!("shapes {VERSION} {SEED} {SIDE} {TRAIN_PER_CLASS} {TEST_PER_CLASS}");
    hex(&Sha256::digest(text.as_bytes()))
}

/// Draws picture number `picture` of a split, [`SIDE`] x [`SIDE`] pixels. Its class is `picture / per_class`; panics
/// behind the last class.
pub fn draw(split: Split, picture: u32) -> Rgb8 {
    let part = match split {
        Split::Train => 0,
        Split::Test => 1,
    };
    let mut draw = Draw(stream(SEED, Purpose::Draw, part, u64::from(picture)));
    let outline = Outline::ALL[(picture / per_class(split)) as usize];
    let placement = Placement::draw(&mut draw);
    let ground = Ground::draw(&mut draw);
    let fill = Fill::draw(&mut draw, &ground);
    let amplitude = draw.between((0.0, difficulty::NOISE));
    let mut noise = vec![0; SIDE * SIDE * 6];
    draw.0.fill_bytes(&mut noise);
    let mut noise = noise.chunks_exact(2);
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        let coverage = placement.coverage(outline, x, y);
        let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
        let colour = mix(ground.at(px, py), fill.at(py), coverage);
        colour.map(|value| {
            // The sum of two uniform bytes: a triangle around zero, from -1 to 1.
            let grain = noise
                .next()
                .map_or(0.0, |pair| (f64::from(pair[0]) + f64::from(pair[1]) - 255.0) / 255.0);
            (value + amplitude * grain + 0.5).clamp(0.0, 255.0) as u8
        })
    })
}

/// Where the shape lies and how it is turned.
struct Placement {
    /// Centre in pixels.
    centre: (f64, f64),
    /// Half the width and half the height in pixels.
    radius: (f64, f64),
    /// Cosine and sine of the turn.
    turn: (f64, f64),
    /// 1, or -1 for a mirrored shape.
    mirror: f64,
}

impl Placement {
    fn draw(draw: &mut Draw) -> Self {
        let side = SIDE as f64;
        let long = draw.between(difficulty::SIZE) * side / 2.0;
        let proportion = draw.between(difficulty::PROPORTION);
        let radius =
            if proportion < 1.0 { (long * proportion, long) } else { (long, long / proportion) };
        let shift = difficulty::SHIFT.min(side / 2.0 - long);
        let place = (side / 2.0 - shift, side / 2.0 + shift);
        let centre = (draw.between(place), draw.between(place));
        // A rational point on the circle: cosine and sine without calling either.
        let t = draw.between((-difficulty::TAN_HALF_TURN, difficulty::TAN_HALF_TURN));
        let turn = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let mirror = if draw.below(2) == 0 { 1.0 } else { -1.0 };
        Self { centre, radius, turn, mirror }
    }

    /// Share of pixel `(x, y)` that lies inside the shape.
    fn coverage(&self, outline: Outline, x: usize, y: usize) -> f64 {
        let step = 1.0 / SUPERSAMPLE as f64;
        let mut inside = 0;
        for sub_y in 0..SUPERSAMPLE {
            for sub_x in 0..SUPERSAMPLE {
                let dx = x as f64 + (sub_x as f64 + 0.5) * step - self.centre.0;
                let dy = y as f64 + (sub_y as f64 + 0.5) * step - self.centre.1;
                let u = (dx * self.turn.0 + dy * self.turn.1) / self.radius.0 * self.mirror;
                let v = (dy * self.turn.0 - dx * self.turn.1) / self.radius.1;
                inside += usize::from(outline.contains(u, v));
            }
        }
        inside as f64 / (SUPERSAMPLE * SUPERSAMPLE) as f64
    }
}

/// The shape's colour: from one at the upper edge of the picture to another at the lower.
struct Fill {
    top: Colour,
    bottom: Colour,
}

impl Fill {
    fn draw(draw: &mut Draw, ground: &Ground) -> Self {
        let far = |colour| {
            ground.distance(colour) >= difficulty::CONTRAST
                && colour::luma(colour) >= ground.luma() + difficulty::LIGHTER
        };
        for _ in 0..64 {
            let top = colour::any(draw);
            let bottom = colour::near(draw, top, difficulty::SHAPE_SPREAD);
            if far(top) && far(mix(top, bottom, 0.5)) && far(bottom) {
                return Self { top, bottom };
            }
        }
        // Rarely: the ground leaves few such colours. White is lighter than any ground, if by less.
        Self { top: colour::WHITE, bottom: colour::WHITE }
    }

    fn at(&self, y: f64) -> Colour {
        mix(self.top, self.bottom, y / SIDE as f64)
    }
}

#[cfg(test)]
mod tests;
