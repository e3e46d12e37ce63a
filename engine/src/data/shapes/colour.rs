//! Colours as three numbers from 0 to 255.

use super::Draw;

pub(super) type Colour = [f64; 3];

pub(super) const WHITE: Colour = [255.0; 3];

/// `a` for `share` 0, `b` for 1.
pub(super) fn mix(a: Colour, b: Colour, share: f64) -> Colour {
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * share)
}

/// Any colour.
pub(super) fn any(draw: &mut Draw) -> Colour {
    [(); 3].map(|()| draw.between((0.0, 255.0)))
}

/// A colour that differs from another by at most `spread` in each channel.
pub(super) fn near(draw: &mut Draw, colour: Colour, spread: f64) -> Colour {
    colour.map(|value| (value + draw.between((-spread, spread))).clamp(0.0, 255.0))
}

/// Euclidean distance of a colour from the segment between two others.
pub(super) fn distance_to_segment(colour: Colour, a: Colour, b: Colour) -> f64 {
    let dot = |p: Colour, q: Colour| p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
    let along = [0, 1, 2].map(|i| b[i] - a[i]);
    let from = [0, 1, 2].map(|i| colour[i] - a[i]);
    let length = dot(along, along);
    let share = if length > 0.0 { (dot(from, along) / length).clamp(0.0, 1.0) } else { 0.0 };
    let rest = [0, 1, 2].map(|i| from[i] - along[i] * share);
    dot(rest, rest).sqrt()
}

/// Luma of a colour, 0 to 255 (ITU-R BT.601).
pub(super) fn luma(colour: Colour) -> f64 {
    0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        let (a, b) = ([0.0, 0.0, 0.0], [100.0, 0.0, 0.0]);
        assert!((distance_to_segment([50.0, 30.0, 40.0], a, b) - 50.0).abs() < 1e-12);
        assert!((distance_to_segment([103.0, 4.0, 0.0], a, b) - 5.0).abs() < 1e-12);
        assert!((distance_to_segment([3.0, 4.0, 0.0], a, a) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn green_is_lighter_than_red_and_red_than_blue() {
        assert!((luma(WHITE) - 255.0).abs() < 1e-9);
        assert!((luma([0.0, 100.0, 0.0]) - 58.7).abs() < 1e-9);
        assert!(luma([100.0, 0.0, 0.0]) > luma([0.0, 0.0, 100.0]));
    }
}
