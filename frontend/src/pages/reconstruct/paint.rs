//! What the tiles show: masked images, the heat map of errors, and which patch a pointer is on.

use shared::{Rgb8, patches::touched};

/// Grey of a hidden patch.
const HIDDEN: [[u8; 3]; 2] = [[128; 3], [118; 3]];
/// Colour of a patch without an error in the heat map.
const VISIBLE: [u8; 3] = [128; 3];

/// The image with its hidden patches greyed out, chequered so that the mask stands out from a grey image. `hidden` lists the
/// patches of `patch` pixels row by row.
pub fn masked(image: &Rgb8, hidden: &[bool], patch: usize) -> Rgb8 {
    let grid = (image.width() / patch.max(1)).max(1);
    Rgb8::from_fn(image.width(), image.height(), |x, y| {
        let place = y / patch.max(1) * grid + x / patch.max(1);
        if hidden.get(place).copied().unwrap_or(false) {
            HIDDEN[(x + y) % 2]
        } else {
            image.pixel(x, y)
        }
    })
}

/// The errors as colours, one pixel per patch, from 0 to `max`. Visible patches are grey: the model does not predict them.
pub fn heat_map(errors: &[f32], hidden: &[bool], max: f32) -> Option<Rgb8> {
    let grid =
        (0..=errors.len()).find(|side| side * side == errors.len()).filter(|&side| side > 0)?;
    Some(Rgb8::from_fn(grid, grid, |x, y| {
        let place = y * grid + x;
        if hidden.get(place).copied().unwrap_or(false) {
            heat(if max > 0.0 { errors[place] / max } else { 0.0 })
        } else {
            VISIBLE
        }
    }))
}

/// How much the errors change from one answer to another, one pixel per patch: blue where they fall and red where they rise by up to
/// `most`. Visible patches are grey.
pub fn change_map(from: &[f32], to: &[f32], hidden: &[bool], most: f32) -> Option<Rgb8> {
    let grid = (0..=from.len()).find(|side| side * side == from.len()).filter(|&side| side > 0)?;
    (from.len() == to.len()).then_some(())?;
    Some(Rgb8::from_fn(grid, grid, |x, y| {
        let place = y * grid + x;
        if hidden.get(place).copied().unwrap_or(false) {
            change(if most > 0.0 { (to[place] - from[place]) / most } else { 0.0 })
        } else {
            VISIBLE
        }
    }))
}

/// The largest change of a hidden patch's error, up or down.
pub fn largest_change(from: &[f32], to: &[f32], hidden: &[bool]) -> f32 {
    let changes: Vec<f32> = from.iter().zip(to).map(|(from, to)| (to - from).abs()).collect();
    largest(&changes, hidden)
}

/// Colour of a change in -1 to 1: from blue over near-white to red, the ends equally dark.
fn change(value: f32) -> [u8; 3] {
    const ENDS: [[f32; 3]; 2] = [[32.0, 93.0, 170.0], [178.0, 44.0, 30.0]];
    const MIDDLE: [f32; 3] = [244.0, 244.0, 240.0];
    let value = value.clamp(-1.0, 1.0);
    let end = ENDS[usize::from(value > 0.0)];
    let part = value.abs();
    std::array::from_fn(|k| (MIDDLE[k] + (end[k] - MIDDLE[k]) * part).round() as u8)
}

/// The scale itself, for a legend: the changes -1 to 1 from left to right.
pub fn change_scale() -> Rgb8 {
    Rgb8::from_fn(255, 1, |x, _| change((x as f32 - 127.0) / 127.0))
}

/// The largest error of a hidden patch.
pub fn largest(errors: &[f32], hidden: &[bool]) -> f32 {
    errors
        .iter()
        .zip(hidden)
        .filter(|(error, hidden)| **hidden && error.is_finite())
        .map(|(&error, _)| error)
        .fold(0.0, f32::max)
}

/// Colour of a value in 0–1: from near-black through violet and orange to pale yellow, each step lighter than the one
/// before, so that it can be read in greyscale as well. The nine stops are those of the "inferno" map (Smith and van der Walt, CC0).
pub fn heat(value: f32) -> [u8; 3] {
    const STOPS: [[u8; 3]; 9] = [
        [0, 0, 4],
        [31, 12, 72],
        [85, 15, 109],
        [136, 34, 106],
        [186, 54, 85],
        [227, 89, 51],
        [249, 140, 10],
        [249, 201, 50],
        [252, 255, 164],
    ];
    let place = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f32;
    let from = (place as usize).min(STOPS.len() - 2);
    let part = place - from as f32;
    std::array::from_fn(|channel| {
        let (low, high) = (f32::from(STOPS[from][channel]), f32::from(STOPS[from + 1][channel]));
        (low + (high - low) * part).round() as u8
    })
}

/// The scale itself, for a legend: the values 0 to 1 from left to right.
pub fn heat_scale() -> Rgb8 {
    Rgb8::from_fn(256, 1, |x, _| heat(x as f32 / 255.0))
}

/// The patch at a point of the image, given as fractions of its width and height; `None` outside.
pub fn patch_at(x: f64, y: f64, grid: usize) -> Option<usize> {
    let inside = |part: f64| (0.0..1.0).contains(&part);
    (inside(x) && inside(y)).then(|| (y * grid as f64) as usize * grid + (x * grid as f64) as usize)
}

/// The patches on the straight line between two, both included: the browser reports a fast stroke at a few points only.
pub fn patches_between(from: usize, to: usize, grid: usize) -> Vec<usize> {
    let grid = grid.max(1);
    let (x, y) = ((from % grid) as f64, (from / grid) as f64);
    let (dx, dy) = ((to % grid) as f64 - x, (to / grid) as f64 - y);
    let steps = dx.abs().max(dy.abs()) as usize;
    let at = |step: usize| {
        let part = if steps == 0 { 0.0 } else { step as f64 / steps as f64 };
        (y + dy * part).round() as usize * grid + (x + dx * part).round() as usize
    };
    (0..=steps).map(at).collect()
}

/// A mask for the address: its bits, row by row, four to a hexadecimal digit.
pub fn mask_text(hidden: &[bool]) -> String {
    let digit = |bits: &[bool]| {
        let value = (0..4).fold(0, |all, i| all * 2 + u32::from(bits.get(i) == Some(&true)));
        char::from_digit(value, 16).unwrap_or('0')
    };
    hidden.chunks(4).map(digit).collect()
}

/// The mask of `patches` patches that a text from the address names; `None` if it is none of that size.
pub fn mask_of_text(text: &str, patches: usize) -> Option<Vec<bool>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == patches.div_ceil(4))?;
    let bit = |i: usize| digits[i / 4] >> (3 - i % 4) & 1 == 1;
    Some((0..patches).map(bit).collect())
}

/// The patch that an arrow key leads to; it stops at the edge.
pub fn patch_beside(patch: usize, grid: usize, key: &str) -> Option<usize> {
    let (x, y) = (patch % grid.max(1), patch / grid.max(1));
    let last = grid.saturating_sub(1);
    let (x, y) = match key {
        "ArrowLeft" => (x.saturating_sub(1), y),
        "ArrowRight" => ((x + 1).min(last), y),
        "ArrowUp" => (x, y.saturating_sub(1)),
        "ArrowDown" => (x, (y + 1).min(last)),
        _ => return None,
    };
    Some(y * grid + x)
}

/// The mask that also hides every patch of the trigger.
pub fn hide_trigger(hidden: &[bool], touched: &[bool]) -> Vec<bool> {
    hidden.iter().zip(touched).map(|(&hidden, &touched)| hidden || touched).collect()
}

/// The mask that shows the trigger's patches and nothing else.
pub fn only_trigger(touched: &[bool]) -> Vec<bool> {
    touched.iter().map(|&touched| !touched).collect()
}

/// Which patches the trigger changes; `None` when the images or the patch do not fit.
pub fn trigger_patches(clean: &Rgb8, triggered: &Rgb8, patch: usize) -> Option<Vec<bool>> {
    let side = clean.width();
    let fits = patch > 0
        && side.is_multiple_of(patch)
        && (triggered.width(), triggered.height(), clean.height()) == (side, side, side);
    fits.then(|| touched(clean, triggered, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hidden_patches_turn_grey() {
        let image = Rgb8::filled(4, 4, [9, 8, 7]);
        let shown = masked(&image, &[false, true, false, false], 2);
        assert_eq!(shown.pixel(0, 0), [9, 8, 7]);
        assert_eq!([shown.pixel(2, 0), shown.pixel(3, 0)], HIDDEN);
        assert_eq!(masked(&image, &[], 2), image, "no mask yet");
    }

    #[test]
    fn the_scale_gets_lighter_at_every_step() {
        let luma = |[r, g, b]: [u8; 3]| {
            0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b)
        };
        let steps: Vec<f32> = (0..=100).map(|i| luma(heat(i as f32 / 100.0))).collect();
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1] + 0.5), "{steps:?}");
        assert_eq!((heat(-1.0), heat(2.0)), ([0, 0, 4], [252, 255, 164]));
    }

    #[test]
    fn errors_are_drawn_on_one_scale() {
        let hidden = [true, true, false, true];
        let errors = [0.0, 0.5, 9.0, 1.0];
        assert!((largest(&errors, &hidden) - 1.0).abs() < 1e-6, "9 is visible");
        let map = heat_map(&errors, &hidden, 1.0).expect("a square number of patches");
        assert_eq!(map.pixel(0, 0), heat(0.0));
        assert_eq!(map.pixel(0, 1), VISIBLE);
        assert_eq!(map.pixel(1, 1), heat(1.0));
        assert_eq!(heat_map(&errors[..3], &hidden, 1.0), None);
        assert_eq!(heat_map(&[], &hidden, 1.0), None);
    }

    #[test]
    fn changes_are_blue_or_red_on_one_scale() {
        let (from, to) = ([0.5, 0.5, 0.5, 9.0], [0.5, 0.25, 1.0, 0.0]);
        let hidden = [true, true, true, false];
        assert!((largest_change(&from, &to, &hidden) - 0.5).abs() < 1e-6, "the last is visible");
        let map = change_map(&from, &to, &hidden, 0.5).expect("a square number of patches");
        assert_eq!((map.pixel(0, 0), map.pixel(1, 1)), (change(0.0), VISIBLE));
        assert_eq!((map.pixel(1, 0), map.pixel(0, 1)), (change(-0.5), change(1.0)));
        let [[_, _, blue], [red, ..]] = [change(-1.0), change(1.0)];
        assert!(blue > 150 && red > 150);
        assert_eq!(change_map(&from, &to[..1], &hidden, 0.5), None, "of another grid");
        let scale = change_scale();
        assert_eq!((scale.pixel(0, 0), scale.pixel(127, 0)), (change(-1.0), change(0.0)));
        assert_eq!(scale.pixel(254, 0), change(1.0));
    }

    #[test]
    fn a_pointer_and_the_arrows_mean_patches() {
        assert_eq!(patch_at(0.0, 0.0, 8), Some(0));
        assert_eq!(patch_at(0.99, 0.5, 8), Some(39));
        assert_eq!(patch_at(1.0, 0.5, 8), None);
        assert_eq!(patch_beside(0, 8, "ArrowLeft"), Some(0));
        assert_eq!(patch_beside(0, 8, "ArrowDown"), Some(8));
        assert_eq!(patch_beside(63, 8, "ArrowRight"), Some(63));
        assert_eq!(patch_beside(9, 8, "Enter"), None);
    }

    #[test]
    fn a_fast_stroke_leaves_no_gap() {
        assert_eq!(patches_between(0, 3, 8), [0, 1, 2, 3]);
        assert_eq!(patches_between(27, 0, 8), [27, 18, 9, 0]);
        assert_eq!(patches_between(0, 17, 8), [0, 9, 17], "two down, one to the right");
        assert_eq!(patches_between(5, 5, 8), [5]);
    }

    #[test]
    fn a_mask_survives_the_address() {
        let hidden = [true, false, false, true, true, true];
        assert_eq!(mask_text(&hidden), "9c");
        assert_eq!(mask_of_text("9c", 6).as_deref(), Some(&hidden[..]));
        assert_eq!(mask_of_text("9c", 16), None, "of another grid");
        assert_eq!(mask_of_text("9x", 6), None);
        assert_eq!(mask_of_text("", 0), Some(Vec::new()));
    }

    #[test]
    fn masks_know_the_trigger() {
        let clean = Rgb8::filled(4, 4, [0; 3]);
        let mut triggered = clean.clone();
        triggered.set_pixel(3, 3, [1; 3]);
        let touched = trigger_patches(&clean, &triggered, 2).expect("sizes fit");
        assert_eq!(touched, [false, false, false, true]);
        assert_eq!(
            hide_trigger(&[true, false, false, false], &touched),
            [true, false, false, true]
        );
        assert_eq!(only_trigger(&touched), [true, true, true, false]);
        assert_eq!(trigger_patches(&clean, &triggered, 3), None);
    }
}
