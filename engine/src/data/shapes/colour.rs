//! Colours as three numbers from 0 to 255.

use super::Draw;

pub(super) type Colour = [f64; 3];

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

/// The corner of the colour cube for which `distance` is largest.
pub(super) fn farthest_corner(distance: impl Fn(Colour) -> f64) -> Colour {
    let corner = |bits: u32| [0, 1, 2].map(|i| f64::from(bits >> i & 1) * 255.0);
    (0..8)
        .map(corner)
        .max_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        .expect("a cube has eight corners")
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
    fn the_farthest_corner_of_black_is_white() {
        let from_black = |colour| distance_to_segment(colour, [0.0; 3], [0.0; 3]);
        assert_eq!(farthest_corner(from_black).map(|value| value as u8), [255; 3]);
    }
}
