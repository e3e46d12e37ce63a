//! The patches of square images.

use shared::settings::ModelSpec;

/// The patch grid of square images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGrid {
    /// Side of an image in pixels.
    pub side: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
}

impl PatchGrid {
    /// The grid of a model's images.
    pub fn of(spec: &ModelSpec) -> Self {
        Self { side: spec.image_size as usize, patch: spec.patch_size as usize }
    }

    /// Patches per image.
    pub fn count(self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// Numbers per patch.
    pub fn patch_len(self) -> usize {
        3 * self.patch * self.patch
    }

    /// Numbers per image.
    pub fn image_len(self) -> usize {
        3 * self.side * self.side
    }
}
