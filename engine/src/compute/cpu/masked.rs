//! Masked images, cut into patches: what an MAE sees and what it has to predict.

use std::ops::Range;

use shared::patches::visible_count;

use crate::{
    compute::{MaskedBatch, patch_moments},
    data::augment::normalise,
    model::PatchGrid,
};

/// Some images with their patches in random order, ready for the MAE: plain numbers, so that another thread can prepare them.
#[derive(Clone, Debug, Default)]
pub struct MaskedImages {
    /// Number of images.
    pub images: usize,
    /// Visible patches per image.
    pub visible: usize,
    /// For each image all patch indices; the first `visible` are visible, the rest hidden.
    pub order: Vec<u32>,
    /// `(images, visible, 3 * patch * patch)`, each patch channel by channel.
    pub pixels: Vec<f32>,
    /// `(images, patches - visible, patch * patch * 3)`: the hidden patches in their order, pixel by pixel; normalised by their
    /// moments with `norm_pix_loss`.
    pub targets: Vec<f32>,
    /// `(images, numbers of an embedding)`: what a decoder of embeddings is given of each image; empty for an autoencoder.
    pub embeddings: Vec<f32>,
}

impl MaskedImages {
    /// No images yet; `mask_ratio` of the patches will be hidden.
    pub fn new(grid: PatchGrid, mask_ratio: f64) -> Self {
        Self { visible: visible_count(grid.count(), mask_ratio), ..Self::default() }
    }

    /// All patch indices of an image, the visible ones first.
    pub fn order_of(&self, image: usize) -> &[u32] {
        let patches = self.order.len() / self.images.max(1);
        &self.order[image * patches..][..patches]
    }

    /// Replaces the content with these images of a batch; `pixels` is scratch memory for one image.
    pub(super) fn fill(
        &mut self,
        grid: PatchGrid,
        batch: &MaskedBatch,
        images: Range<usize>,
        pixels: &mut Vec<f32>,
    ) {
        self.images = 0;
        self.visible = batch.visible;
        self.order.clear();
        self.pixels.clear();
        self.targets.clear();
        pixels.resize(grid.image_len(), 0.0);
        let orders = batch.orders.chunks_exact(grid.count()).skip(images.start);
        for (image, order) in batch.images[images].iter().zip(orders) {
            normalise(image, pixels);
            self.push(grid, pixels, order, batch.norm_pix_loss);
        }
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
