//! From normalised pixels to patches, and back.

use crate::model::PatchGrid;

/// Added to the variance of a patch before the square root, as in MAE.
const EPSILON: f32 = 1e-6;

/// The patches of an image, in the two orders that a model sees.
impl PatchGrid {
    /// Appends patch `index` of a `[3, side, side]` image to `out`, channel by channel: the order of the patch embedding.
    pub fn push_planar(self, image: &[f32], index: usize, out: &mut Vec<f32>) {
        for channel in 0..3 {
            for y in 0..self.patch {
                let start = self.offset(index, channel, y);
                out.extend_from_slice(&image[start..start + self.patch]);
            }
        }
    }

    /// Writes a patch in the order of the patch embedding into a `[3, side, side]` image.
    pub fn write_planar(self, patch: &[f32], index: usize, image: &mut [f32]) {
        for (row, values) in patch.chunks_exact(self.patch).enumerate() {
            let start = self.offset(index, row / self.patch, row % self.patch);
            image[start..start + self.patch].copy_from_slice(values);
        }
    }

    /// Appends patch `index` of a `[3, side, side]` image to `out`, pixel by pixel: the order of the prediction.
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

/// Mean and standard deviation (over n - 1, with 1e-6 added to the variance) of a patch, by which `norm_pix_loss` normalises it.
pub fn patch_moments(patch: &[f32]) -> (f32, f32) {
    let n = patch.len() as f32;
    let mean = patch.iter().sum::<f32>() / n;
    let variance = patch.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / (n - 1.0);
    (mean, (variance + EPSILON).sqrt())
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
        let (mut back, mut again) = (vec![0.0; 48], vec![0.0; 48]);
        for index in 0..4 {
            let mut patch = vec![];
            GRID.push_planar(&image(), index, &mut patch);
            GRID.write_planar(&patch, index, &mut again);
        }
        assert_eq!(again, image());
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
}
