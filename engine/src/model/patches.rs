//! From normalised pixels to patches: what an MAE sees and what it is to predict.

use shared::patches::visible_count;

/// Added to the variance of a patch before the square root, as in MAE.
const EPSILON: f32 = 1e-6;

/// The patch grid of square images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGrid {
    /// Side of an image in pixels.
    pub side: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
}

impl PatchGrid {
    /// Patches of an image.
    pub fn count(self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// Numbers of a patch.
    pub fn patch_len(self) -> usize {
        3 * self.patch * self.patch
    }

    /// Numbers of an image.
    pub fn image_len(self) -> usize {
        3 * self.side * self.side
    }

    /// Adds patch `index` of a `[3, side, side]` image to `out`, channel by channel: the order of the patch embedding.
    pub fn push_planar(self, image: &[f32], index: usize, out: &mut Vec<f32>) {
        for channel in 0..3 {
            for y in 0..self.patch {
                let start = self.offset(index, channel, y);
                out.extend_from_slice(&image[start..start + self.patch]);
            }
        }
    }

    /// Adds patch `index` of a `[3, side, side]` image to `out`, pixel by pixel: the order of the prediction.
    pub fn push_interleaved(self, image: &[f32], index: usize, out: &mut Vec<f32>) {
        for y in 0..self.patch {
            for x in 0..self.patch {
                out.extend((0..3).map(|channel| image[self.offset(index, channel, y) + x]));
            }
        }
    }

    /// Writes a patch in the order of the prediction into a `[3, side, side]` image.
    pub fn write_interleaved(self, patch: &[f32], index: usize, image: &mut [f32]) {
        for y in 0..self.patch {
            for x in 0..self.patch {
                for channel in 0..3 {
                    image[self.offset(index, channel, y) + x] =
                        patch[(y * self.patch + x) * 3 + channel];
                }
            }
        }
    }

    /// Where row `y` of a patch begins in a `[3, side, side]` image.
    fn offset(self, index: usize, channel: usize, y: usize) -> usize {
        let columns = self.side / self.patch;
        let (row, column) = (index / columns, index % columns);
        (channel * self.side + row * self.patch + y) * self.side + column * self.patch
    }
}

/// Mean and deviation (of n - 1, with 1e-6 added to the variance) of a patch: what `norm_pix_loss` divides out.
pub fn patch_moments(patch: &[f32]) -> (f32, f32) {
    let n = patch.len() as f32;
    let mean = patch.iter().sum::<f32>() / n;
    let variance = patch.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / (n - 1.0);
    (mean, (variance + EPSILON).sqrt())
}

/// Some images with their patches in random order, ready for the MAE: plain numbers, so that another thread can make them.
#[derive(Clone, Debug, Default)]
pub struct MaskedImages {
    /// Images.
    pub images: usize,
    /// Visible patches of an image.
    pub visible: usize,
    /// For each image all patch indices; the first `visible` are visible, the rest hidden.
    pub order: Vec<u32>,
    /// `(images, visible, 3 * patch * patch)`, each patch channel by channel.
    pub pixels: Vec<f32>,
    /// `(images, patches - visible, patch * patch * 3)`: the hidden patches in their order, pixel by pixel; with
    /// `norm_pix_loss` normalised by their moments.
    pub targets: Vec<f32>,
}

impl MaskedImages {
    /// None yet, with `mask_ratio` of the patches to hide.
    pub fn new(grid: PatchGrid, mask_ratio: f64) -> Self {
        Self { visible: visible_count(grid.count(), mask_ratio), ..Self::default() }
    }

    /// All patch indices of an image, the visible ones first.
    pub fn order_of(&self, image: usize) -> &[u32] {
        let patches = self.order.len() / self.images.max(1);
        &self.order[image * patches..][..patches]
    }

    /// Adds a normalised `[3, side, side]` image whose patches come in `order`.
    pub fn push(&mut self, grid: PatchGrid, image: &[f32], order: &[u32], norm_pix_loss: bool) {
        let (visible, hidden) = order.split_at(self.visible);
        for &index in visible {
            grid.push_planar(image, index as usize, &mut self.pixels);
        }
        for &index in hidden {
            let start = self.targets.len();
            grid.push_interleaved(image, index as usize, &mut self.targets);
            if norm_pix_loss {
                let target = &mut self.targets[start..];
                let (mean, deviation) = patch_moments(target);
                for value in target {
                    *value = (*value - mean) / deviation;
                }
            }
        }
        self.order.extend_from_slice(order);
        self.images += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: PatchGrid = PatchGrid { side: 4, patch: 2 };

    /// Channel c, row y, column x holds 100 c + 10 y + x.
    fn image() -> Vec<f32> {
        (0..48).map(|i| (i / 16 * 100 + i / 4 % 4 * 10 + i % 4) as f32).collect()
    }

    #[test]
    fn the_two_orders_of_a_patch() {
        let (mut planar, mut interleaved) = (vec![], vec![]);
        GRID.push_planar(&image(), 3, &mut planar);
        GRID.push_interleaved(&image(), 3, &mut interleaved);
        assert_eq!(planar[..4], [22.0, 23.0, 32.0, 33.0]);
        assert_eq!(planar[4..8], [122.0, 123.0, 132.0, 133.0]);
        assert_eq!(interleaved[..6], [22.0, 122.0, 222.0, 23.0, 123.0, 223.0]);
        let mut back = vec![0.0; 48];
        for index in 0..4 {
            let mut patch = vec![];
            GRID.push_interleaved(&image(), index, &mut patch);
            GRID.write_interleaved(&patch, index, &mut back);
        }
        assert_eq!(back, image());
    }

    #[test]
    fn moments_by_hand() {
        // mean 2, squares 4 + 0 + 4 over n - 1 = 2
        let (mean, deviation) = patch_moments(&[0.0, 2.0, 4.0]);
        assert!((mean - 2.0).abs() < 1e-6 && (deviation - 2.0).abs() < 1e-6);
    }

    #[test]
    fn visible_patches_are_input_and_hidden_ones_targets() {
        let mut masked = MaskedImages::new(GRID, 0.75);
        masked.push(GRID, &image(), &[2, 0, 3, 1], false);
        assert_eq!((masked.images, masked.visible, masked.targets.len()), (1, 1, 36));
        assert_eq!(masked.pixels[..4], [20.0, 21.0, 30.0, 31.0]);
        assert_eq!(masked.targets[12..15], [22.0, 122.0, 222.0], "patch 3 comes second");
        let mut normal = MaskedImages::new(GRID, 0.75);
        normal.push(GRID, &image(), &[2, 0, 3, 1], true);
        for target in normal.targets.chunks(12) {
            assert!(target.iter().sum::<f32>().abs() < 1e-4);
            let squares: f32 = target.iter().map(|v| v * v).sum();
            assert!((squares / 11.0 - 1.0).abs() < 1e-4);
        }
    }
}
