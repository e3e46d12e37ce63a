//! The four positions of the published study's patches, for any image and ViT patch size.

use super::patched::{Fill, PatchedSpec};

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
                PatchedSpec {
                    size,
                    x: corner,
                    y: corner,
                    count: 1,
                    step: size,
                    fill,
                    ..PatchedSpec::default()
                }
            }
            Self::Centred => {
                let corner = side.saturating_sub(size) / 2;
                PatchedSpec {
                    size,
                    x: corner,
                    y: corner,
                    count: 1,
                    step: size,
                    fill,
                    ..PatchedSpec::default()
                }
            }
            Self::FourInRow => {
                let size = (size / 4).clamp(1, vit_patch);
                let count = ((side - middle) / vit_patch).clamp(1, 4);
                PatchedSpec {
                    size,
                    x: middle,
                    y: middle,
                    count,
                    step: vit_patch,
                    fill,
                    ..PatchedSpec::default()
                }
            }
            Self::EightInPatches => {
                let size = (size / 8).clamp(1, vit_patch);
                let count = columns.min(8);
                let inset = (vit_patch - size) / 2;
                let x = (columns - count) / 2 * vit_patch + inset;
                PatchedSpec {
                    size,
                    x,
                    y: middle + inset,
                    count,
                    step: vit_patch,
                    fill,
                    ..PatchedSpec::default()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_match_the_published_places() {
        let at = |layout: Layout, size| layout.place(224, 16, size, Fill::default());
        assert_eq!((at(Layout::Aligned, 16).x, at(Layout::Aligned, 16).y), (112, 112));
        assert_eq!((at(Layout::Centred, 16).x, at(Layout::Centred, 32).y), (104, 96));
        let four = at(Layout::FourInRow, 32);
        assert_eq!((four.size, four.x, four.y, four.count, four.step), (8, 112, 112, 4, 16));
        let eight = at(Layout::EightInPatches, 32);
        assert_eq!((eight.size, eight.x, eight.y, eight.count, eight.step), (4, 54, 118, 8, 16));
    }
}
