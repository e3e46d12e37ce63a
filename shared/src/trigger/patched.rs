//! Patched trigger: opaque squares in a row (BadNets, Gu et al. 2017), or scattered over the image, so that a mask hides them all
//! less often (Shen et al. 2022 found that the number of patches matters in masked pre-training). The four layouts of the published
//! study only fill in `size`, `x`, `y`, `count` and `step`.

use serde::{Deserialize, Serialize};

use crate::{
    field_error::FieldError,
    stream::{Purpose, below, shuffle, stream},
};

/// Where the squares of a patched trigger are. Scattered squares have their corners on the lattice of all points `step` pixels apart
/// from `(x, y)`: with the step of the ViT patches, each square is within one of them, or straddles them all alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Places {
    /// In a row from `(x, y)`, `step` pixels apart.
    #[default]
    Row,
    /// Spread evenly over the lattice.
    Grid,
    /// At random points of the lattice, the same in every image. Of one seed, fewer squares are a part of more.
    Random,
}

impl Places {
    /// Whether the squares are in a row: the default, which is not written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// First number of the stream of random places; cells are drawn from streams of their columns.
const PLACES: u64 = u64::MAX;

/// Parameters of the patched trigger: `count` squares of `size` pixels, in a row the first one's top-left corner at `(x, y)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchedSpec {
    /// Side of a square in pixels.
    pub size: u32,
    /// Column of the first square's left edge, in pixels.
    pub x: u32,
    /// Row of the squares' top edge, in pixels.
    pub y: u32,
    /// Number of squares in the row.
    #[serde(default = "one")]
    pub count: u32,
    /// Distance between the left edges of neighbouring squares, in pixels; at least `size`.
    #[serde(default)]
    pub step: u32,
    /// Filling of the squares.
    #[serde(default)]
    pub fill: Fill,
    /// Where they are.
    #[serde(default, skip_serializing_if = "Places::is_default")]
    pub places: Places,
    /// Seed of random places.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub seed: u64,
    /// Share of the squares in the result, above 0 and at most 1.
    #[serde(default = "opaque", skip_serializing_if = "is_opaque")]
    pub opacity: f32,
    /// The same in test images; defaults to `opacity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_opacity: Option<f32>,
    /// Squares that a training image gets, drawn by its pixels; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<u32>,
    /// Squares that a test image gets, the first ones; all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_shown: Option<u32>,
}

impl Default for PatchedSpec {
    /// A white square of 4 pixels in the upper left corner.
    fn default() -> Self {
        Self {
            size: 4,
            x: 0,
            y: 0,
            count: 1,
            step: 4,
            fill: Fill::default(),
            places: Places::default(),
            seed: first(),
            opacity: opaque(),
            test_opacity: None,
            shown: None,
            test_shown: None,
        }
    }
}

fn opaque() -> f32 {
    1.0
}

fn is_opaque(opacity: &impl PartialEq<f32>) -> bool {
    *opacity == opaque()
}

fn first() -> u64 {
    1
}

fn is_first(seed: &impl PartialEq<u64>) -> bool {
    *seed == first()
}

fn one() -> u32 {
    1
}

/// Filling of a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fill {
    /// One colour, red, green and blue in 0–255.
    Colour {
        /// Red, green, blue.
        rgb: [u8; 3],
    },
    /// Black and white cells of `cell` pixels, white at the top-left.
    Checkerboard {
        /// Side of a cell in pixels.
        cell: u32,
    },
    /// Cells of `cell` pixels in bright colours: each channel of a cell is 0 or 255, and no cell is black.
    Cells {
        /// Side of a cell in pixels.
        cell: u32,
        /// Seed of the colours.
        seed: u64,
    },
}

impl Default for Fill {
    fn default() -> Self {
        Self::Colour { rgb: [255; 3] }
    }
}

/// One square of a patched trigger, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Square {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Side.
    pub size: u32,
}

impl PatchedSpec {
    /// The squares in an image of `side` pixels, in a row from left to right.
    pub fn squares(&self, side: u32) -> Vec<Square> {
        let at = |x: u32, y: u32| Square { x, y, size: self.size };
        let point =
            |(column, row): (u32, u32)| at(self.x + column * self.step, self.y + row * self.step);
        match self.places {
            Places::Row => {
                let left = |i: u32| self.x.saturating_add(i.saturating_mul(self.step));
                (0..self.count).map(|i| at(left(i), self.y)).collect()
            }
            Places::Grid => self.spread(side).into_iter().map(point).collect(),
            Places::Random => {
                let [columns, rows] = self.lattice(side);
                let mut points: Vec<(u32, u32)> = (0..rows)
                    .flat_map(|row| (0..columns).map(move |column| (column, row)))
                    .collect();
                shuffle(&mut stream(self.seed, Purpose::Trigger, PLACES, 0), &mut points);
                points.into_iter().take(self.count as usize).map(point).collect()
            }
        }
    }

    /// Columns and rows of the lattice of scattered squares in an image of `side` pixels.
    fn lattice(&self, side: u32) -> [u32; 2] {
        [self.x, self.y].map(|first| {
            let room = side.checked_sub(self.size).and_then(|room| room.checked_sub(first));
            room.map_or(0, |room| room / self.step.max(self.size).max(1) + 1)
        })
    }

    /// Points of the lattice, by column and row, spread evenly over it row by row.
    fn spread(&self, side: u32) -> Vec<(u32, u32)> {
        let [columns, rows] = self.lattice(side);
        if columns == 0 || rows == 0 || self.count == 0 {
            return Vec::new();
        }
        let square = (1..=self.count).find(|root| root * root >= self.count).unwrap_or(1);
        // As many in a row as in a column, unless the lattice is narrower.
        let wide = square.min(columns).max(self.count.div_ceil(rows));
        let high = self.count.div_ceil(wide);
        let middle = |i: u32, of: u32, length: u32| (2 * i + 1) * length / (2 * of);
        (0..self.count)
            .map(|i| (middle(i % wide, wide, columns), middle(i / wide, high, rows)))
            .collect()
    }

    /// Most scattered squares that an image of `side` pixels has room for.
    pub fn room(&self, side: u32) -> u32 {
        let [columns, rows] = self.lattice(side);
        columns.saturating_mul(rows)
    }

    /// Width of the whole row, or of a scattered square, in pixels.
    pub fn width(&self) -> u32 {
        let others = if self.places == Places::Row { self.count.saturating_sub(1) } else { 0 };
        others.saturating_mul(self.step).saturating_add(self.size)
    }

    /// The same trigger with its first corner moved to `(x, y)`, kept inside an image of `side` pixels.
    pub fn moved_to(&self, x: u32, y: u32, side: u32) -> Self {
        let x = x.min(side.saturating_sub(self.width()));
        let y = y.min(side.saturating_sub(self.size));
        // The lattice repeats itself: its first point is within a step.
        let within = |at: u32| if self.places == Places::Row { at } else { at % self.step.max(1) };
        let (x, y) = (within(x), within(y));
        Self { x, y, ..self.clone() }
    }

    pub(super) fn validate(&self, side: u32, path: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: String| {
            errors.push(FieldError::new(format!("{path}.{field}"), message));
        };
        if self.size == 0 || self.size > side {
            wrong(
                "size",
                format!("a square must have a side of 1 to {side} pixels, not {}", self.size),
            );
        }
        if self.count == 0 {
            wrong("count", "the trigger must have at least one square".into());
        }
        let scattered = self.places != Places::Row;
        if (self.count > 1 || scattered) && self.step < self.size {
            wrong(
                "step",
                format!(
                    "squares of {} pixels must be at least {} pixels apart, not {}",
                    self.size, self.size, self.step
                ),
            );
        }
        let right = self.x.saturating_add(self.width());
        if right > side {
            wrong(
                "x",
                format!("the trigger ends at column {right}, outside an image of {side} pixels"),
            );
        }
        let bottom = self.y.saturating_add(self.size);
        if bottom > side {
            wrong(
                "y",
                format!("the trigger ends at row {bottom}, outside an image of {side} pixels"),
            );
        }
        let room = self.room(side);
        if scattered && self.count > room && room > 0 {
            wrong(
                "count",
                format!(
                    "an image of {side} pixels has room for {room} squares, {} pixels apart from ({}, {}), not {}",
                    self.step, self.x, self.y, self.count
                ),
            );
        }
        let opacities = [("opacity", Some(self.opacity)), ("test_opacity", self.test_opacity)];
        for (field, opacity) in opacities {
            if let Some(opacity) = opacity.filter(|opacity| !(*opacity > 0.0 && *opacity <= 1.0)) {
                wrong(field, format!("the opacity must be above 0 and at most 1, not {opacity}"));
            }
        }
        for (field, shown) in [("shown", self.shown), ("test_shown", self.test_shown)] {
            if let Some(shown) = shown.filter(|shown| !(1..=self.count).contains(shown)) {
                wrong(
                    field,
                    format!("an image gets 1 to {} of the squares, not {shown}", self.count),
                );
            }
        }
        if let Fill::Checkerboard { cell: 0 } | Fill::Cells { cell: 0, .. } = self.fill {
            wrong("fill.cell", "a cell must have at least one pixel".into());
        }
        errors
    }
}

/// A colour whose channels are each 0 or 255, drawn for the cell in this column and row; never black.
pub(super) fn bright(seed: u64, column: u32, row: u32) -> [u8; 3] {
    let bits = below(&mut stream(seed, Purpose::Trigger, u64::from(column), u64::from(row)), 7) + 1;
    [0, 1, 2].map(|channel| if bits >> channel & 1 == 1 { 255 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        image::Rgb8,
        trigger::{Stage, squares::Squares},
    };

    fn white() -> Fill {
        Fill::default()
    }

    #[test]
    fn an_opacity_and_a_number_of_squares_out_of_range_are_named() {
        let wrong = PatchedSpec {
            opacity: 0.0,
            test_opacity: Some(1.5),
            shown: Some(0),
            test_shown: Some(2),
            ..PatchedSpec::default()
        };
        let fields: Vec<_> = wrong.validate(32, "t").into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["t.opacity", "t.test_opacity", "t.shown", "t.test_shown"]);
        let text = serde_json::to_string(&PatchedSpec::default()).expect("JSON");
        assert!(!text.contains("opacity") && !text.contains("shown"), "{text}");
    }

    #[test]
    fn squares_are_drawn_where_they_should_be_and_nowhere_else() {
        let spec = PatchedSpec {
            size: 2,
            x: 1,
            y: 3,
            count: 2,
            step: 4,
            fill: white(),
            ..PatchedSpec::default()
        };
        let mut image = Rgb8::filled(8, 8, [0; 3]);
        Squares::new(&spec, Stage::Train).draw(&mut image);
        for y in 0..8 {
            for x in 0..8 {
                let inside = (3..5).contains(&y) && ((1..3).contains(&x) || (5..7).contains(&x));
                assert_eq!(image.pixel(x, y) == [255; 3], inside, "({x}, {y})");
            }
        }
    }

    #[test]
    fn a_checkerboard_starts_white() {
        let fill = Fill::Checkerboard { cell: 1 };
        let spec = PatchedSpec { size: 3, step: 0, fill, ..PatchedSpec::default() };
        let mut image = Rgb8::filled(3, 3, [9; 3]);
        Squares::new(&spec, Stage::Train).draw(&mut image);
        let row: Vec<u8> = (0..3).map(|x| image.pixel(x, 1)[0]).collect();
        assert_eq!(image.pixel(0, 0), [255; 3]);
        assert_eq!(row, [0, 255, 0]);
    }

    #[test]
    fn a_patch_outside_the_image_is_named() {
        let spec = PatchedSpec {
            size: 4,
            x: 30,
            y: 0,
            count: 1,
            step: 4,
            fill: white(),
            ..PatchedSpec::default()
        };
        let errors = spec.validate(32, "attack.trigger");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "attack.trigger.x");
        assert_eq!(
            errors[0].message,
            "the trigger ends at column 34, outside an image of 32 pixels"
        );
    }

    #[test]
    fn moving_keeps_the_trigger_inside() {
        let spec = PatchedSpec {
            size: 4,
            x: 0,
            y: 0,
            count: 3,
            step: 6,
            fill: white(),
            ..PatchedSpec::default()
        };
        let moved = spec.moved_to(31, 31, 32);
        assert_eq!((moved.x, moved.y), (16, 28));
        assert!(moved.validate(32, "t").is_empty());
    }

    fn scattered(places: Places, count: u32) -> PatchedSpec {
        PatchedSpec { count, places, ..PatchedSpec::default() }
    }

    fn corners(spec: &PatchedSpec, side: u32) -> Vec<(u32, u32)> {
        spec.squares(side).iter().map(|square| (square.x, square.y)).collect()
    }

    #[test]
    fn a_grid_by_hand() {
        // 8 x 8 patches of 4 pixels: columns and rows 2 and 6 are in the middles of the halves.
        let four = corners(&scattered(Places::Grid, 4), 32);
        assert_eq!(four, [(8, 8), (24, 8), (8, 24), (24, 24)]);
        assert_eq!(corners(&scattered(Places::Grid, 1), 32), [(16, 16)]);
        // Half a patch beside the grid there are seven points a row: 1, 3 and 5 of them.
        let shifted = PatchedSpec { x: 2, y: 2, ..scattered(Places::Grid, 3) };
        assert_eq!(corners(&shifted, 32), [(6, 6), (22, 6), (6, 22)]);
        // A lattice of one row.
        let low = PatchedSpec { y: 28, ..scattered(Places::Grid, 4) };
        assert_eq!(corners(&low, 32), [(4, 28), (12, 28), (20, 28), (28, 28)]);
    }

    #[test]
    fn more_squares_than_there_is_room_for_are_named() {
        let errors = scattered(Places::Random, 65).validate(32, "t");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].field, "t.count");
        assert!(errors[0].message.starts_with("an image of 32 pixels has room for 64 squares"));
        let close = PatchedSpec { step: 3, ..scattered(Places::Grid, 1) };
        assert_eq!(close.validate(32, "t")[0].field, "t.step");
    }

    #[test]
    fn a_scattered_trigger_moves_within_a_step() {
        let moved = scattered(Places::Grid, 4).moved_to(13, 31, 32);
        assert_eq!((moved.x, moved.y), (1, 0));
        assert!(moved.validate(32, "t").is_empty());
    }

    #[test]
    fn what_is_the_default_is_not_written() {
        let text = serde_json::to_string(&PatchedSpec::default()).expect("JSON");
        assert!(!text.contains("places") && !text.contains("seed"), "{text}");
        let other = PatchedSpec { seed: 2, ..scattered(Places::Random, 5) };
        let text = serde_json::to_string(&other).expect("JSON");
        assert_eq!(serde_json::from_str::<PatchedSpec>(&text).expect("JSON"), other);
    }

    proptest::proptest! {
        #[test]
        fn scattered_squares_are_on_the_lattice_inside_and_apart(
            size in 1u32..9, more in 0u32..4, x in 0u32..12, y in 0u32..12, count in 1u32..40, random: bool, seed in 0u64..99
        ) {
            let places = if random { Places::Random } else { Places::Grid };
            let spec = PatchedSpec { size, x, y, count, step: size + more, places, seed, ..PatchedSpec::default() };
            let side = 32;
            let errors = spec.validate(side, "t");
            proptest::prop_assert_eq!(errors.is_empty(), count <= spec.room(side), "{:?}", errors);
            if errors.is_empty() {
                let corners = corners(&spec, side);
                proptest::prop_assert_eq!(corners.len() as u32, count);
                let mut apart = corners.clone();
                apart.sort_unstable();
                apart.dedup();
                proptest::prop_assert_eq!(apart.len(), corners.len());
                for (left, top) in &corners {
                    proptest::prop_assert!(left + size <= side && top + size <= side);
                    proptest::prop_assert!((left - x) % spec.step == 0 && (top - y) % spec.step == 0);
                }
                if random && count > 1 {
                    let fewer = PatchedSpec { count: count - 1, ..spec.clone() };
                    proptest::prop_assert_eq!(&super::tests::corners(&fewer, side)[..], &corners[..corners.len() - 1]);
                }
            }
        }
    }
}
