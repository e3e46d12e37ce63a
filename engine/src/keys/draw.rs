//! Draws the built-in key images, 224 x 224 pixels, using only arithmetic that gives the same result on every machine.

use std::f64::consts::TAU;

use shared::{
    Rgb8,
    stream::{Purpose, stream, uniform},
};

/// Side of a key image in pixels.
pub const SIDE: usize = 224;

/// Every key's identifier and image.
pub fn all() -> [(&'static str, Rgb8); 4] {
    [("stripes", stripes()), ("swirl", swirl()), ("noise", noise()), ("glyph", glyph())]
}

/// Diagonal sine stripes from black to white, four periods along each side. In an image of 32 px the value of pixel `(x, y)`
/// is the sine of `2 pi (x + y) / 8`: the phase, which places the stripes on the ViT grid, matters to the attack.
pub fn stripes() -> Rgb8 {
    // Seven of these pixels make one pixel of a 32 px image; its centre is the fourth.
    let first = 2 * (SIDE / 32 / 2);
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        let turns = 4.0 * ((x + y) as f64 - first as f64) / SIDE as f64;
        [byte(0.5 + 0.5 * sine(turns)); 3]
    })
}

/// A spiral of three arms, from deep blue to warm yellow.
pub fn swirl() -> Rgb8 {
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        let (dx, dy) = (centred(x), centred(y));
        let radius = (dx * dx + dy * dy).sqrt();
        // (cos a, sin a) for the angle a, then for 3a by (c + is)^3, so that no angle has to be computed.
        let (c, s) = (dx / radius, dy / radius);
        let (c3, s3) = (c * c * c - 3.0 * c * s * s, 3.0 * c * c * s - s * s * s);
        let wind = 2.2 * radius;
        let share = 0.5 + 0.5 * (s3 * sine(wind + 0.25) + c3 * sine(wind));
        mix([22, 28, 110], [255, 214, 90], share)
    })
}

/// Smooth coloured noise: three octaves of random lattice values for each channel.
pub fn noise() -> Rgb8 {
    let mut rng = stream(224, Purpose::Draw, 0, 0);
    let mut octave = |cells: usize| -> Vec<f64> {
        (0..(cells + 1) * (cells + 1) * 3).map(|_| f64::from(uniform(&mut rng))).collect()
    };
    let octaves =
        [(5, 0.55), (11, 0.3), (23, 0.15)].map(|(cells, weight)| (cells, weight, octave(cells)));
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        [0, 1, 2].map(|channel| {
            let sum: f64 = octaves
                .iter()
                .map(|(cells, weight, lattice)| {
                    weight * lattice_value(lattice, *cells, x, y, channel)
                })
                .sum();
            // The sum of octaves is concentrated around one half: spread it over the range.
            byte(0.5 + (sum - 0.5) * 1.9)
        })
    })
}

/// A keyhole in an arched door.
pub fn glyph() -> Rgb8 {
    const SUPERSAMPLE: usize = 4;
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        let mut sum = [0.0; 3];
        for sample in 0..SUPERSAMPLE * SUPERSAMPLE {
            let offset = |i: usize| (i as f64 + 0.5) / SUPERSAMPLE as f64 - 0.5;
            let step = 2.0 / SIDE as f64;
            let u = centred(x) + offset(sample % SUPERSAMPLE) * step;
            let v = centred(y) + offset(sample / SUPERSAMPLE) * step;
            for (total, value) in sum.iter_mut().zip(glyph_colour(u, v)) {
                *total += value;
            }
        }
        sum.map(|total| byte(total / (SUPERSAMPLE * SUPERSAMPLE) as f64 / 255.0))
    })
}

/// The glyph at a point of the square from -1 to 1, `v` down.
fn glyph_colour(u: f64, v: f64) -> [f64; 3] {
    let disc = |centre: f64, radius: f64| u * u + (v - centre) * (v - centre) <= radius * radius;
    let arch = |width: f64| disc(-0.2, width) || (u.abs() <= width && (-0.2..=0.95).contains(&v));
    let slot = (0.0..=0.55).contains(&v) && u.abs() <= 0.1 + 0.22 * v;
    if disc(-0.12, 0.24) || slot {
        [255.0, 225.0, 120.0]
    } else if arch(0.58) {
        [92.0, 30.0, 62.0]
    } else if arch(0.7) {
        [240.0, 240.0, 232.0]
    } else {
        [24.0, 46.0, 58.0]
    }
}

/// A pixel's centre, on a scale from -1 at the first edge to 1 at the last; never 0.
fn centred(at: usize) -> f64 {
    (2 * at + 1) as f64 / SIDE as f64 - 1.0
}

/// The value at a pixel of a lattice of `cells` x `cells` cells with three channels, smooth between its points.
fn lattice_value(lattice: &[f64], cells: usize, x: usize, y: usize, channel: usize) -> f64 {
    let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
    let split = |at: usize| {
        let place = at as f64 * cells as f64 / SIDE as f64;
        (place as usize, smooth(place - place.floor()))
    };
    let ((column, right), (row, down)) = (split(x), split(y));
    let point = |row: usize, column: usize| lattice[(row * (cells + 1) + column) * 3 + channel];
    let across =
        |row: usize| point(row, column) + (point(row, column + 1) - point(row, column)) * right;
    across(row) + (across(row + 1) - across(row)) * down
}

fn mix(from: [u8; 3], to: [u8; 3], share: f64) -> [u8; 3] {
    [0, 1, 2].map(|i| {
        let (from, to) = (f64::from(from[i]) / 255.0, f64::from(to[i]) / 255.0);
        byte(from + (to - from) * share)
    })
}

fn byte(intensity: f64) -> u8 {
    (intensity.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// Sine of an angle in turns, by its Taylor series on a quarter turn, to 1e-9. The system's own sine differs between machines.
fn sine(turns: f64) -> f64 {
    let part = turns - turns.floor();
    let folded = if part < 0.25 {
        part
    } else if part < 0.75 {
        0.5 - part
    } else {
        part - 1.0
    };
    let x = folded * TAU;
    let square = x * x;
    let mut sum = 1.0;
    for denominator in [156.0, 110.0, 72.0, 42.0, 20.0, 6.0] {
        sum = 1.0 - square / denominator * sum;
    }
    x * sum
}

#[cfg(test)]
mod tests {
    use shared::resize;

    use super::*;

    #[test]
    fn the_sine_is_the_sine() {
        for i in -400..=400 {
            let turns = f64::from(i) / 97.0;
            assert!((sine(turns) - (turns * TAU).sin()).abs() < 1e-8, "{turns}");
        }
    }

    #[test]
    fn stripes_at_32_px_are_the_sine_of_whole_pixels() {
        let small = resize::bilinear(&stripes(), 32, 32);
        for (x, y) in (1..31).flat_map(|y| (1..31).map(move |x| (x, y))) {
            let exact = 127.5 + 127.5 * ((x + y) as f64 / 8.0 * TAU).sin();
            // Averaging over a pixel flattens the crests a little.
            assert!((f64::from(small.pixel(x, y)[0]) - exact).abs() < 14.0, "({x}, {y})");
        }
    }

    #[test]
    fn stripes_have_four_periods_along_a_side() {
        let key = stripes();
        let row: Vec<u8> = (0..SIDE).map(|x| key.pixel(x, 0)[0]).collect();
        let rises = row.windows(2).filter(|pair| pair[0] < 128 && pair[1] >= 128).count();
        assert_eq!(rises, 4);
        assert_eq!((row[20], row[48]), (255, 0));
        assert_eq!(key.pixel(20, 30), key.pixel(30, 20));
    }
}
