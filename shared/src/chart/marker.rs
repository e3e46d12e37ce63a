//! Markers: shapes that can be distinguished without colour.

use super::{
    canvas::Canvas,
    role::{Ink, Role},
};

/// A marker's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Triangle,
    Square,
    Diamond,
    /// An unfilled circle.
    Ring,
    Cross,
}

impl Marker {
    /// The marker of series `i`; they repeat.
    pub(super) fn series(i: usize) -> Self {
        [Self::Circle, Self::Triangle, Self::Square, Self::Diamond, Self::Ring, Self::Cross][i % 6]
    }

    /// Draws the marker with a radius of about `r` pixels at `(x, y)`, with a rim in the background colour, so that
    /// overlapping markers stay distinct.
    pub(super) fn draw(self, canvas: &Canvas<'_>, (x, y): (f64, f64), r: f64, ink: Ink) {
        let rim = Ink::new(Role::Ground);
        match self {
            Self::Circle => {
                canvas.disc((x, y), r + 1.0, rim);
                canvas.disc((x, y), r, ink);
            }
            Self::Ring => {
                canvas.disc((x, y), r + 1.0, rim);
                canvas.ring((x, y), r - 0.8, ink.width(1.8).dash(false));
            }
            Self::Cross => {
                let d = r * 0.85;
                for ink in [rim.width(4.0), ink.width(2.0).dash(false)] {
                    canvas.line(&[(x - d, y - d), (x + d, y + d)], ink);
                    canvas.line(&[(x - d, y + d), (x + d, y - d)], ink);
                }
            }
            Self::Triangle | Self::Square | Self::Diamond => {
                canvas.polygon(&self.corners((x, y), r + 1.2), rim);
                canvas.polygon(&self.corners((x, y), r), ink);
            }
        }
    }

    fn corners(self, (x, y): (f64, f64), r: f64) -> Vec<(f64, f64)> {
        match self {
            // Equilateral: the height of the triangle is 1.5 times the radius of its circumscribed circle.
            Self::Triangle => {
                let r = r * 1.2;
                vec![(x, y - r), (x + r * 0.866, y + r * 0.5), (x - r * 0.866, y + r * 0.5)]
            }
            Self::Diamond => {
                let r = r * 1.25;
                vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)]
            }
            _ => {
                let r = r * 0.9;
                vec![(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
            }
        }
    }
}
