//! Patches and the loss over pixels.

use super::{File, STORAGES, added, as_stored, assert_near, narrow, random, read};
use crate::{
    gpu::{Buffer, int, real},
    kernels::Source,
};

struct Images {
    side: usize,
    patch: usize,
    bytes: Vec<u8>,
    table: Vec<f32>,
}

impl Images {
    fn new(side: usize, patch: usize, images: usize) -> Self {
        let bytes =
            random(images * side * side * 3, 1).iter().map(|v| ((v + 2.0) * 63.9) as u8).collect();
        Self { side, patch, bytes, table: random(3 * 256, 2) }
    }

    fn patches(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// A normalised pixel of a patch.
    fn pixel(&self, image: usize, patch: usize, channel: usize, y: usize, x: usize) -> f64 {
        let columns = self.side / self.patch;
        let (y, x) = (patch / columns * self.patch + y, patch % columns * self.patch + x);
        let byte = self.bytes[((image * self.side + y) * self.side + x) * 3 + channel];
        f64::from(self.table[channel * 256 + usize::from(byte)])
    }
}

/// An order of patches for each image.
fn orders(images: usize, patches: usize) -> Vec<u32> {
    let step = if patches.is_multiple_of(5) { 7 } else { 5 };
    (0..images * patches).map(|i| ((i % patches * step + i / patches) % patches) as u32).collect()
}

#[test]
fn visible_patches_are_gathered_and_all_are_cut() {
    for (side, patch) in [(12, 4), (28, 14), (9, 3)] {
        for storage in [STORAGES[0], STORAGES[1]] {
            let (single, count, visible) = (storage.activations_f32, 3, 2);
            let images = Images::new(side, patch, count);
            let (patches, pixels) = (images.patches(), 3 * patch * patch);
            let file = File::load(&Source::pixels(side, patch).stored(storage));
            let order = orders(count, patches);
            let on_bytes = Buffer::of(&file.gpu, &images.bytes).unwrap();
            let (on_table, on_order) =
                (file.of(&images.table), Buffer::of(&file.gpu, &order).unwrap());
            let of = |image, patch, e: usize| {
                let size = images.patch * images.patch;
                images.pixel(
                    image,
                    patch,
                    e / size,
                    e / images.patch % images.patch,
                    e % images.patch,
                )
            };
            let precise = if single { 1e-7 } else { 4e-3 };
            for (shown, address) in [(visible, on_order.at()), (patches, 0)] {
                let numbers = count * shown * pixels;
                let to = file.room(numbers);
                let mut arguments = vec![to.at(), on_bytes.at(), on_table.at(), address];
                arguments.extend([numbers, patches, shown].map(int));
                file.run("gather", (numbers.div_ceil(256), 1), 256, 0, arguments);
                let patch_of = |row: usize| match address {
                    0 => row % shown,
                    _ => order[row / shown * patches + row % shown] as usize,
                };
                let want: Vec<f64> = (0..numbers)
                    .map(|i| of(i / pixels / shown, patch_of(i / pixels), i % pixels))
                    .collect();
                assert_near("patches", &want, &read(single, &to, numbers), precise);
            }
            let numbers = count * patches * pixels;
            let mut planes = vec![0.0; count * 3 * side * side];
            for (i, value) in planes.iter_mut().enumerate() {
                let (image, channel, y, x) =
                    (i / side / side / 3, i / side / side % 3, i / side % side, i % side);
                let patch_index = y / patch * (side / patch) + x / patch;
                *value = images.pixel(image, patch_index, channel, y % patch, x % patch) as f32;
            }
            let (on_planes, to) = (file.of(&planes), file.room(numbers));
            let arguments = vec![to.at(), on_planes.at(), int(numbers), int(patches)];
            file.run("cut", (numbers.div_ceil(256), 1), 256, 0, arguments);
            let want: Vec<f64> = (0..numbers)
                .map(|i| of(i / pixels / patches, i / pixels % patches, i % pixels))
                .collect();
            assert_near("all patches", &want, &read(single, &to, numbers), precise);
        }
    }
}

#[test]
fn the_loss_over_hidden_patches_and_its_gradient() {
    for (side, patch) in [(12, 4), (28, 14), (9, 3), (64, 32)] {
        for (storage, normalised) in
            [(STORAGES[0], true), (STORAGES[1], true), (STORAGES[0], false)]
        {
            let (single, count, visible, blocks) = (storage.activations_f32, 3, 1, 2);
            let images = Images::new(side, patch, count);
            let (patches, pixels) = (images.patches(), 3 * patch * patch);
            let hidden = patches - visible;
            let rows = count * hidden;
            let file = File::load(&Source::pixels(side, patch).stored(storage));
            let order = orders(count, patches);
            let before = as_stored(single, &random(rows * pixels, 3));
            let on_bytes = Buffer::of(&file.gpu, &images.bytes).unwrap();
            let (on_table, on_order) =
                (file.of(&images.table), Buffer::of(&file.gpu, &order).unwrap());
            let (predicted, parts) =
                (file.stored(single, &before), file.room(blocks * (pixels + 1)));
            let weight = 1.0 / (rows * pixels) as f32;
            let mut arguments =
                vec![predicted.at(), parts.at(), on_bytes.at(), on_table.at(), on_order.at()];
            arguments.extend([rows, patches, visible].map(int));
            arguments.extend([real(weight), int(usize::from(normalised))]);
            file.run("pixel_loss", (blocks, 1), 128, 0, arguments);
            let (mut want, mut sums) = (vec![], vec![0.0; pixels + 1]);
            for row in 0..rows {
                let (image, place) = (row / hidden, visible + row % hidden);
                let index = order[image * patches + place] as usize;
                let target: Vec<f64> = (0..pixels)
                    .map(|e| images.pixel(image, index, e % 3, e / 3 / patch, e / 3 % patch))
                    .collect();
                let mean = target.iter().sum::<f64>() / pixels as f64;
                let variance =
                    target.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (pixels - 1) as f64;
                for e in 0..pixels {
                    let target = if normalised {
                        (target[e] - mean) / (variance + 1e-6).sqrt()
                    } else {
                        target[e]
                    };
                    let error = f64::from(before[row * pixels + e]) - target;
                    want.push(2.0 * error * f64::from(weight));
                    sums[e] += want[row * pixels + e];
                    sums[pixels] += error * error * f64::from(weight);
                }
            }
            let most = if single { 1e-5 } else { 4e-3 };
            assert_near("the gradient", &want, &read(single, &predicted, rows * pixels), most);
            let got = added(&read(true, &parts, blocks * (pixels + 1)), pixels + 1, 0, pixels + 1);
            assert_near("sums", &sums[..pixels], &narrow(&got[..pixels]), 1e-5);
            assert_near("the loss", &sums[pixels..], &narrow(&got[pixels..]), 1e-5);
        }
    }
}
