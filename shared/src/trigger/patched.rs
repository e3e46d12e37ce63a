//! Patched trigger: opaque squares in a row (BadNets, Gu et al. 2017). The four layouts of the published study
//! only fill in `size`, `x`, `y`, `count` and `step`.

use serde::{Deserialize, Serialize};

use crate::{
    field_error::FieldError,
    image::Rgb8,
    stream::{Purpose, below, stream},
};

/// Parameters of the patched trigger: `count` squares of `size` pixels in a row, the first one's top-left corner at `(x, y)`.
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

/// The four positions of the published study, for any image and ViT patch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Position 0: one square whose corner is on the ViT patch grid at the image's centre.
    Aligned,
    /// Position 1: the same square centred on the image, so that it straddles four ViT patches.
    Centred,
    /// Position 2: four small squares, a quarter of the size, one ViT patch apart, from the middle to the right.
    FourInRow,
    /// Position 3: eight small squares, an eighth of the size, each in the middle of a ViT patch of one row.
    EightInPatches,
}

impl Layout {
    /// All layouts, in the order of the published study.
    pub const ALL: [Self; 4] =
        [Self::Aligned, Self::Centred, Self::FourInRow, Self::EightInPatches];

    /// The layout's name shown in pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aligned => "Aligned",
            Self::Centred => "Centred",
            Self::FourInRow => "Four in a row",
            Self::EightInPatches => "Eight in patches",
        }
    }

    /// The trigger of this layout for images of `side` pixels under ViT patches of `vit_patch` pixels. `size` is the
    /// side of a single square (16 or 32 of 224 in the published study).
    pub fn place(self, side: u32, vit_patch: u32, size: u32, fill: Fill) -> PatchedSpec {
        let middle = side / 2 / vit_patch * vit_patch;
        let columns = side / vit_patch;
        match self {
            Self::Aligned => {
                let corner = middle.min(side.saturating_sub(size));
                PatchedSpec { size, x: corner, y: corner, count: 1, step: size, fill }
            }
            Self::Centred => {
                let corner = side.saturating_sub(size) / 2;
                PatchedSpec { size, x: corner, y: corner, count: 1, step: size, fill }
            }
            Self::FourInRow => {
                let size = (size / 4).clamp(1, vit_patch);
                let count = ((side - middle) / vit_patch).clamp(1, 4);
                PatchedSpec { size, x: middle, y: middle, count, step: vit_patch, fill }
            }
            Self::EightInPatches => {
                let size = (size / 8).clamp(1, vit_patch);
                let count = columns.min(8);
                let inset = (vit_patch - size) / 2;
                let x = (columns - count) / 2 * vit_patch + inset;
                PatchedSpec { size, x, y: middle + inset, count, step: vit_patch, fill }
            }
        }
    }
}

impl PatchedSpec {
    /// The squares, from left to right.
    pub fn squares(&self) -> impl Iterator<Item = Square> + '_ {
        (0..self.count).map(|i| Square {
            x: self.x.saturating_add(i.saturating_mul(self.step)),
            y: self.y,
            size: self.size,
        })
    }

    /// Width of the whole row in pixels.
    pub fn width(&self) -> u32 {
        self.count.saturating_sub(1).saturating_mul(self.step).saturating_add(self.size)
    }

    /// The same trigger with its first corner moved to `(x, y)`, kept inside an image of `side` pixels.
    pub fn moved_to(&self, x: u32, y: u32, side: u32) -> Self {
        let x = x.min(side.saturating_sub(self.width()));
        let y = y.min(side.saturating_sub(self.size));
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
        if self.count > 1 && self.step < self.size {
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
        if let Fill::Checkerboard { cell: 0 } | Fill::Cells { cell: 0, .. } = self.fill {
            wrong("fill.cell", "a cell must have at least one pixel".into());
        }
        errors
    }

    pub(super) fn draw(&self, image: &mut Rgb8) {
        for square in self.squares() {
            for dy in 0..square.size {
                for dx in 0..square.size {
                    let colour = match self.fill {
                        Fill::Colour { rgb } => rgb,
                        Fill::Checkerboard { cell } => {
                            [if (dx / cell + dy / cell) % 2 == 0 { 255 } else { 0 }; 3]
                        }
                        Fill::Cells { cell, seed } => bright(seed, dx / cell, dy / cell),
                    };
                    image.set_pixel((square.x + dx) as usize, (square.y + dy) as usize, colour);
                }
            }
        }
    }
}

/// A colour whose channels are each 0 or 255, drawn for the cell in this column and row; never black.
fn bright(seed: u64, column: u32, row: u32) -> [u8; 3] {
    let bits = below(&mut stream(seed, Purpose::Trigger, u64::from(column), u64::from(row)), 7) + 1;
    [0, 1, 2].map(|channel| if bits >> channel & 1 == 1 { 255 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white() -> Fill {
        Fill::default()
    }

    #[test]
    fn layouts_match_the_published_places() {
        let at = |layout: Layout, size| layout.place(224, 16, size, white());
        assert_eq!((at(Layout::Aligned, 16).x, at(Layout::Aligned, 16).y), (112, 112));
        assert_eq!((at(Layout::Centred, 16).x, at(Layout::Centred, 32).y), (104, 96));
        let four = at(Layout::FourInRow, 32);
        assert_eq!((four.size, four.x, four.y, four.count, four.step), (8, 112, 112, 4, 16));
        let eight = at(Layout::EightInPatches, 32);
        assert_eq!((eight.size, eight.x, eight.y, eight.count, eight.step), (4, 54, 118, 8, 16));
    }

    #[test]
    fn squares_are_drawn_where_they_should_be_and_nowhere_else() {
        let spec = PatchedSpec { size: 2, x: 1, y: 3, count: 2, step: 4, fill: white() };
        let mut image = Rgb8::filled(8, 8, [0; 3]);
        spec.draw(&mut image);
        for y in 0..8 {
            for x in 0..8 {
                let inside = (3..5).contains(&y) && ((1..3).contains(&x) || (5..7).contains(&x));
                assert_eq!(image.pixel(x, y) == [255; 3], inside, "({x}, {y})");
            }
        }
    }

    #[test]
    fn a_checkerboard_starts_white() {
        let spec = PatchedSpec {
            size: 3,
            x: 0,
            y: 0,
            count: 1,
            step: 0,
            fill: Fill::Checkerboard { cell: 1 },
        };
        let mut image = Rgb8::filled(3, 3, [9; 3]);
        spec.draw(&mut image);
        let row: Vec<u8> = (0..3).map(|x| image.pixel(x, 1)[0]).collect();
        assert_eq!(image.pixel(0, 0), [255; 3]);
        assert_eq!(row, [0, 255, 0]);
    }

    #[test]
    fn a_patch_outside_the_image_is_named() {
        let spec = PatchedSpec { size: 4, x: 30, y: 0, count: 1, step: 4, fill: white() };
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
        let spec = PatchedSpec { size: 4, x: 0, y: 0, count: 3, step: 6, fill: white() };
        let moved = spec.moved_to(31, 31, 32);
        assert_eq!((moved.x, moved.y), (16, 28));
        assert!(moved.validate(32, "t").is_empty());
    }
}
