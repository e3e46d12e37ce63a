//! Backgrounds: two colours close to each other, mixed flat, as a gradient, as a checkerboard or as clouds, with soft
//! specks. None is striped: stripes are a trigger.

use super::{
    Draw, SIDE,
    colour::{self, Colour, mix},
    difficulty,
};

/// A background.
pub(super) struct Ground {
    first: Colour,
    second: Colour,
    pattern: Pattern,
    specks: Vec<Speck>,
}

enum Pattern {
    Flat,
    /// From one colour to the other along a direction.
    Linear {
        direction: (f64, f64),
    },
    /// From one colour at the centre to the other at the radius.
    Radial {
        centre: (f64, f64),
        radius: f64,
    },
    /// Square cells, a corner of one at the offset.
    Checker {
        cell: f64,
        offset: (f64, f64),
    },
    /// Random values on a lattice, smoothly joined.
    Clouds {
        lattice: Box<[[f64; LATTICE]; LATTICE]>,
    },
}

/// Points of the clouds' lattice in each direction.
const LATTICE: usize = 6;

/// A soft dot in a colour between the ground's two.
struct Speck {
    centre: (f64, f64),
    radius: f64,
    share: f64,
}

impl Ground {
    pub(super) fn draw(draw: &mut Draw) -> Self {
        let first = colour::any(draw).map(|value| value * difficulty::GROUND_SHADE);
        let second = colour::near(draw, first, difficulty::GROUND_SPREAD);
        let pattern = Pattern::draw(draw);
        let specks = (0..draw.below(difficulty::SPECKS + 1))
            .map(|_| Speck {
                centre: anywhere(draw),
                radius: draw.between((1.0, 3.0)),
                share: draw.between((0.0, 1.0)),
            })
            .collect();
        Self { first, second, pattern, specks }
    }

    /// The colour at a point in pixels.
    pub(super) fn at(&self, x: f64, y: f64) -> Colour {
        let mut share = self.pattern.share(x, y);
        for speck in &self.specks {
            let (dx, dy) = (x - speck.centre.0, y - speck.centre.1);
            let weight = (speck.radius + 0.5 - (dx * dx + dy * dy).sqrt()).clamp(0.0, 1.0);
            share += (speck.share - share) * weight;
        }
        mix(self.first, self.second, share)
    }

    /// Luma of the lighter of its two colours.
    pub(super) fn luma(&self) -> f64 {
        colour::luma(self.first).max(colour::luma(self.second))
    }

    /// How far a colour is from the nearest colour of the ground.
    pub(super) fn distance(&self, colour: Colour) -> f64 {
        colour::distance_to_segment(colour, self.first, self.second)
    }
}

fn anywhere(draw: &mut Draw) -> (f64, f64) {
    let range = (0.0, SIDE as f64);
    (draw.between(range), draw.between(range))
}

/// A direction, every one as likely: a point in the unit disc, brought to length 1.
fn direction(draw: &mut Draw) -> (f64, f64) {
    loop {
        let (x, y) = (draw.between((-1.0, 1.0)), draw.between((-1.0, 1.0)));
        let square = x * x + y * y;
        if square > 0.01 && square <= 1.0 {
            let length = square.sqrt();
            return (x / length, y / length);
        }
    }
}

impl Pattern {
    fn draw(draw: &mut Draw) -> Self {
        match draw.below(5) {
            0 => Self::Flat,
            1 => Self::Linear { direction: direction(draw) },
            2 => Self::Radial { centre: anywhere(draw), radius: draw.between((12.0, 32.0)) },
            3 => Self::Checker { cell: draw.between((4.0, 9.0)), offset: anywhere(draw) },
            _ => {
                let mut lattice = Box::new([[0.0; LATTICE]; LATTICE]);
                for value in lattice.as_flattened_mut() {
                    *value = draw.between((0.0, 1.0));
                }
                Self::Clouds { lattice }
            }
        }
    }

    /// Share of the second colour at a point in pixels.
    fn share(&self, x: f64, y: f64) -> f64 {
        let side = SIDE as f64;
        match self {
            Self::Flat => 0.0,
            Self::Linear { direction } => {
                let along = (x - side / 2.0) * direction.0 + (y - side / 2.0) * direction.1;
                (0.5 + along / side).clamp(0.0, 1.0)
            }
            Self::Radial { centre, radius } => {
                let (dx, dy) = (x - centre.0, y - centre.1);
                ((dx * dx + dy * dy).sqrt() / radius).min(1.0)
            }
            Self::Checker { cell, offset } => {
                let column = ((x - offset.0) / cell).floor() as i32;
                let row = ((y - offset.1) / cell).floor() as i32;
                f64::from((column + row).rem_euclid(2))
            }
            Self::Clouds { lattice } => {
                let scale = (LATTICE - 1) as f64 / side;
                cloud(lattice, x * scale, y * scale)
            }
        }
    }
}

/// The lattice's value at a point in lattice units, smooth between the lattice's points.
fn cloud(lattice: &[[f64; LATTICE]; LATTICE], x: f64, y: f64) -> f64 {
    let cell = |at: f64| (at as usize).min(LATTICE - 2);
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let (column, row) = (cell(x), cell(y));
    let (right, down) = (smooth(x - column as f64), smooth(y - row as f64));
    let across = |row: usize| {
        lattice[row][column] + (lattice[row][column + 1] - lattice[row][column]) * right
    };
    across(row) + (across(row + 1) - across(row)) * down
}
