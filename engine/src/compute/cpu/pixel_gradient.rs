//! The encoder's features, and the gradient of a function of them in the pixels.

use kernel::{Kernels, Packed};
use rayon::prelude::*;
use shared::settings::ModelSpec;

use super::{
    Cpu, Mae, MaskedImages,
    mae_tokens::without_cls,
    nn::{BlockWeights, NormGradients, StackRun, Unwanted},
    pool,
    shards::shards,
};
use crate::{EngineError, compute::Params};

/// An encoder whose features can be differentiated in the pixels, on all threads of the processor.
pub struct PixelGradient {
    mae: Mae,
    kernels: Kernels,
    pool: rayon::ThreadPool,
    encoder: StackRun,
    weights: BlockWeights,
    packed: Packed,
    shards: Vec<Shard>,
}

/// Memory of a part of the images.
#[derive(Default)]
struct Shard {
    masked: MaskedImages,
    /// `(images, width)`: the CLS tokens before and after the norm, and the gradients of both.
    cls: Vec<f32>,
    normal: Vec<f32>,
    dcls: Vec<f32>,
    dnormal: Vec<f32>,
    /// `(2, width)`: the gradients of the norm's parameters, which nobody wants.
    sums: Vec<f32>,
    /// `(images, patches, 3 * patch * patch)`: the gradient of the patches, channel by channel.
    dpatches: Vec<f32>,
}

impl PixelGradient {
    /// The masked autoencoder with these parameters; its decoder is not used.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(cpu: Cpu, spec: &ModelSpec, params: Params) -> Result<Self, EngineError> {
        Ok(Self {
            mae: Mae::new(spec, params),
            kernels: cpu.kernels,
            pool: pool(cpu.threads.max(1))?,
            encoder: StackRun::default(),
            weights: BlockWeights::default(),
            packed: Packed::default(),
            shards: Vec::new(),
        })
    }

    /// CLS features after the final norm, `(images, width)`, of normalised images `(images, 3, side, side)`.
    pub fn features(&mut self, planes: &[f32]) -> Vec<f32> {
        let Self { mae, kernels, pool, encoder, weights, packed, shards, .. } = self;
        let (kernels, path, params) = (*kernels, kernels.path, mae.params().values());
        let (grid, width) = (mae.grid(), mae.spec().encoder.dim as usize);
        fill(mae, planes, shards);
        let tokens = 1 + grid.count();
        pool.install(|| {
            let sizes = shards.iter().map(|shard| (shard.masked.images, tokens));
            encoder.resize(&mae.encoder, kernels, sizes);
            mae.patch_embed.pack(kernels, params, packed);
            let embedding = &*packed;
            encoder.inputs().zip(&*shards).for_each(|(x, shard)| {
                mae.embed(path, embedding, &shard.masked, x);
            });
            encoder.forward(&mae.encoder, kernels, params, &|_| None, weights);
            shards.par_iter_mut().zip(encoder.outputs()).for_each(|(shard, x)| {
                shard.cls.clear();
                let cls = x.chunks_exact(tokens * width).flat_map(|image| &image[..width]);
                shard.cls.extend(cls);
                shard.normal.resize(shard.cls.len(), 0.0);
                mae.norm.forward(path, params, &shard.cls, &mut shard.normal);
            });
        });
        shards.iter().flat_map(|shard| &shard.normal).copied().collect()
    }

    /// The gradient in the pixels of the last images, `(images, 3, side, side)`, from that of their features, `(images, width)`: behind the
    /// backward pass, a product with the weights of the patch embedding. Panics when it has another size than the features.
    pub fn pixel_gradient(&mut self, dfeatures: &[f32]) -> Vec<f32> {
        let Self { mae, kernels, pool, encoder, weights, packed, shards, .. } = self;
        let (kernels, path, params) = (*kernels, kernels.path, mae.params().values());
        let (grid, width) = (mae.grid(), mae.spec().encoder.dim as usize);
        let tokens = 1 + grid.count();
        let mut rest = dfeatures;
        for shard in &mut *shards {
            let (own, others) = rest.split_at(shard.normal.len());
            shard.dnormal.clear();
            shard.dnormal.extend_from_slice(own);
            rest = others;
        }
        assert!(rest.is_empty(), "a gradient for each feature");
        pool.install(|| {
            shards.par_iter_mut().zip(encoder.outputs()).for_each(|(shard, dx)| {
                shard.dcls.clear();
                shard.dcls.resize(shard.cls.len(), 0.0);
                shard.sums.resize(2 * width, 0.0);
                let sums = shard.sums.split_at_mut(width).into();
                let into = NormGradients { dx: &mut shard.dcls, sums, again: &mut [] };
                mae.norm.backward(path, params, &shard.cls, &shard.dnormal, into);
                dx.fill(0.0);
                let images = dx.chunks_exact_mut(tokens * width);
                for (dx, dcls) in images.zip(shard.dcls.chunks_exact(width)) {
                    dx[..width].copy_from_slice(dcls);
                }
            });
            encoder.backward(&mae.encoder, kernels, params, &|_| None, weights, &mut Unwanted);
            mae.patch_embed.pack_back(kernels, params, packed);
            let embedding = &*packed;
            shards.par_iter_mut().zip(encoder.outputs()).for_each(|(shard, dx)| {
                let rows = without_cls(dx, grid.count(), width);
                shard.dpatches.resize(shard.masked.pixels.len(), 0.0);
                mae.patch_embed.backward(embedding, rows, &mut shard.dpatches);
            });
        });
        let mut planes = vec![0.0; shards.iter().map(|shard| shard.dpatches.len()).sum()];
        let patches = shards.iter().flat_map(|s| s.dpatches.chunks_exact(grid.image_len()));
        for (image, patches) in planes.chunks_exact_mut(grid.image_len()).zip(patches) {
            for (index, patch) in patches.chunks_exact(grid.patch_len()).enumerate() {
                grid.write_planar(patch, index, image);
            }
        }
        planes
    }
}

/// Divides the images among the shards, all patches visible and in order.
fn fill(mae: &Mae, planes: &[f32], parts: &mut Vec<Shard>) {
    let grid = mae.grid();
    let images: Vec<&[f32]> = planes.chunks_exact(grid.image_len()).collect();
    let order: Vec<u32> = (0..grid.count() as u32).collect();
    let ranges = shards(images.len());
    parts.resize_with(ranges.len(), Shard::default);
    for (shard, range) in parts.iter_mut().zip(ranges) {
        let mut masked = MaskedImages::new(grid, 0.0);
        for image in &images[range] {
            masked.push(grid, image, &order, false);
        }
        shard.masked = masked;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;
    use shared::settings::TransformerSpec;

    use super::*;
    use crate::compute::cpu::nn::testing::{Compared, all_kernels, numbers};

    #[test]
    fn it_agrees_with_the_composed_encoder() {
        let transformer = TransformerSpec { dim: 16, depth: 2, heads: 2 };
        let spec =
            ModelSpec { image_size: 8, patch_size: 2, encoder: transformer, decoder: transformer };
        let mut mae = Mae::drawn(&spec, 3);
        let grid = mae.grid();
        // Biases and norms differ from their initial values, too.
        let noise = numbers(mae.params().values().len(), 0.1, 4);
        let values = mae.params_mut().values_mut();
        values.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
        // More images than shards, so that shards differ in size.
        let count = 11;
        let planes = numbers(count * grid.image_len(), 1.0, 1);
        let dy = numbers(count * 16, 1.0, 2);
        let order: Vec<u32> = (0..grid.count() as u32).collect();
        let mut masked = MaskedImages::new(grid, 0.0);
        for image in planes.chunks_exact(grid.image_len()) {
            masked.push(grid, image, &order, false);
        }
        let shape = [count, grid.count(), grid.patch_len()];
        let oracle =
            Compared::new(mae.params(), &[(&masked.pixels, &shape)], &dy, DType::F64, |w, x| {
                mae.composed_encode_of(w, &masked, &x[0])?.narrow(1, 0, 1)?.contiguous()?.squeeze(1)
            });
        for kernels in all_kernels() {
            let both = [1, 3].map(|threads| {
                let cpu = Cpu { threads, kernels };
                let mut model = PixelGradient::new(cpu, &spec, mae.params().clone()).unwrap();
                // A call before leaves nothing behind.
                model.features(&planes[..3 * grid.image_len()]);
                model.pixel_gradient(&dy[..3 * 16]);
                let features = model.features(&planes);
                let gradient = model.pixel_gradient(&dy);
                let mut patches = Vec::new();
                for image in gradient.chunks_exact(grid.image_len()) {
                    (0..grid.count()).for_each(|i| grid.push_planar(image, i, &mut patches));
                }
                oracle.assert_same_inputs(kernels, &features, &[&patches]);
                assert_eq!(
                    features,
                    Mae::new(&spec, mae.params().clone()).features(&masked, kernels)
                );
                (features, gradient)
            });
            assert_eq!(both[0], both[1], "the number of threads changes no bit");
        }
    }
}
