//! Moving a patch by pointer and by keys, in whole pixels of the image.

use shared::trigger::PatchedSpec;

/// Where a patch is held: the offset of the pointer from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grab {
    dx: i64,
    dy: i64,
}

/// The pixel under a pointer at `offset` (x and y from the image's corner) of an image drawn `shown` wide and high.
pub fn pixel_at(offset: (f64, f64), shown: (f64, f64), side: u32) -> (i64, i64) {
    let scale = |at: f64, length: f64| (at / length.max(1.0) * f64::from(side)).floor() as i64;
    (scale(offset.0, shown.0), scale(offset.1, shown.1))
}

/// Grabs the patch: at the pointer if it is on the row of squares, otherwise at the centre, so that a press elsewhere
/// moves the patch there.
pub fn grab(patch: &PatchedSpec, (x, y): (i64, i64)) -> Grab {
    let (dx, dy) = (x - i64::from(patch.x), y - i64::from(patch.y));
    let (width, height) = (i64::from(patch.width()), i64::from(patch.size));
    if (0..width).contains(&dx) && (0..height).contains(&dy) {
        Grab { dx, dy }
    } else {
        Grab { dx: width / 2, dy: height / 2 }
    }
}

/// The patch with the held point at `(x, y)`, kept inside the image.
pub fn drag(patch: &PatchedSpec, hold: Grab, (x, y): (i64, i64), side: u32) -> PatchedSpec {
    patch.moved_to(inside(x - hold.dx), inside(y - hold.dy), side)
}

/// The patch moved by a key: one pixel, or one ViT patch when `far`; `None` for other keys.
pub fn key_step(
    patch: &PatchedSpec,
    key: &str,
    far: bool,
    vit_patch: u32,
    side: u32,
) -> Option<PatchedSpec> {
    let by = if far { i64::from(vit_patch) } else { 1 };
    let (dx, dy) = match key {
        "ArrowLeft" => (-by, 0),
        "ArrowRight" => (by, 0),
        "ArrowUp" => (0, -by),
        "ArrowDown" => (0, by),
        _ => return None,
    };
    Some(patch.moved_to(inside(i64::from(patch.x) + dx), inside(i64::from(patch.y) + dy), side))
}

fn inside(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use shared::trigger::Fill;

    use super::*;

    fn patch() -> PatchedSpec {
        PatchedSpec {
            size: 4,
            x: 8,
            y: 12,
            count: 2,
            step: 6,
            fill: Fill::default(),
            ..PatchedSpec::default()
        }
    }

    #[test]
    fn a_pointer_finds_its_pixel() {
        assert_eq!(pixel_at((48.0, 95.9), (96.0, 96.0), 32), (16, 31));
        assert_eq!(pixel_at((-3.0, 0.0), (96.0, 96.0), 32).0, -1);
    }

    #[test]
    fn a_held_patch_follows_without_a_jump() {
        let hold = grab(&patch(), (10, 13));
        assert_eq!(drag(&patch(), hold, (10, 13), 32), patch());
        let moved = drag(&patch(), hold, (13, 11), 32);
        assert_eq!((moved.x, moved.y), (11, 10));
    }

    #[test]
    fn a_press_elsewhere_brings_the_patch_by_its_middle() {
        let hold = grab(&patch(), (2, 2));
        let moved = drag(&patch(), hold, (16, 20), 32);
        assert_eq!((moved.x, moved.y), (11, 18)); // the row is 10 wide and 4 high
    }

    #[test]
    fn a_patch_stays_inside() {
        let hold = grab(&patch(), (8, 12));
        let far = drag(&patch(), hold, (99, -20), 32);
        assert_eq!((far.x, far.y), (22, 0));
    }

    #[test]
    fn keys_step_by_a_pixel_or_a_patch() {
        let moved = |key, far| key_step(&patch(), key, far, 4, 32).map(|p| (p.x, p.y));
        assert_eq!(moved("ArrowLeft", false), Some((7, 12)));
        assert_eq!(moved("ArrowDown", true), Some((8, 16)));
        assert_eq!(moved("Enter", false), None);
    }
}
