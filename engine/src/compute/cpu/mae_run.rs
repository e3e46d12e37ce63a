//! The masked autoencoder's training: loss and gradients of a batch.

use kernel::{Kernels, Packed, vector::sum_of, vectorized};
use rayon::prelude::*;

use super::{
    Mae, MaskedImages,
    mae_tokens::{Sizes, without_cls},
    nn::{BlockWeights, Factors, Gradients, NormGradients, StackRun, add_rows, split, sum_slots},
    shards::Pass,
};
use crate::model::Slot;

/// Memory of a shard between and after the two stacks, with the gradients of its contents.
#[derive(Debug, Default)]
struct Shard {
    /// `(images * (1 + visible), width)`: the norm's output, and the gradients of its output and input.
    encoded: Vec<f32>,
    dencoded: Vec<f32>,
    dx: Vec<f32>,
    /// `(images * (1 + visible), decoder width)`: the embedding's output, then its gradient.
    embedded: Vec<f32>,
    /// `(images * hidden, decoder width)`: the decoder's output for hidden patches, before and after the norm, and their gradients.
    hidden: Vec<f32>,
    normal: Vec<f32>,
    dhidden: Vec<f32>,
    dnormal: Vec<f32>,
    /// `(images * hidden, numbers of a patch)`: the prediction, then its gradient.
    predicted: Vec<f32>,
    /// `(images, decoder width)`, for a decoder of embeddings: what stands instead of the CLS tokens, then its gradient.
    given: Vec<f32>,
    /// The sum of the shard's squared errors.
    error: f64,
    /// Gradients that are summed over the shard's images, flat, in the order of the slots in [`Mae::sums`].
    sums: Vec<f32>,
    /// Factors of the weight gradients of the three layers, and of the map of a decoder of embeddings.
    patch_embed: Factors,
    decoder_embed: Factors,
    decoder_pred: Factors,
    embedding_proj: Factors,
}

/// Reusable memory and packed weights of training steps.
#[derive(Debug)]
pub struct MaeRun {
    kernels: Kernels,
    encoder: StackRun,
    decoder: StackRun,
    weights: BlockWeights,
    packed: Packed,
    /// The map of a decoder of embeddings.
    given: Packed,
    shards: Vec<Shard>,
}

impl Mae {
    /// The parameters outside the stacks whose gradients are sums over rows.
    fn sums(&self) -> [Slot; 9] {
        let ([weight, bias], [decoder_weight, decoder_bias]) =
            (self.norm.slots(), self.decoder_norm.slots());
        [
            self.cls_token,
            self.patch_embed.bias_slot(),
            weight,
            bias,
            self.decoder_embed.bias_slot(),
            self.mask_token,
            decoder_weight,
            decoder_bias,
            self.decoder_pred.bias_slot(),
        ]
    }
}

impl MaeRun {
    /// Allocates nothing yet.
    pub fn new(kernels: Kernels) -> Self {
        Self {
            kernels,
            encoder: StackRun::default(),
            decoder: StackRun::default(),
            weights: BlockWeights::default(),
            packed: Packed::default(),
            given: Packed::default(),
            shards: Vec::new(),
        }
    }

    fn resize(&mut self, mae: &Mae, batch: &[MaskedImages]) {
        let sizes = |masked: &MaskedImages| mae.sizes(masked.visible);
        let kernels = self.kernels;
        let seen = batch.iter().map(|masked| (masked.images, 1 + masked.visible));
        self.encoder.resize(&mae.encoder, kernels, seen);
        let tokens = 1 + mae.grid().count();
        self.decoder.resize(&mae.decoder, kernels, batch.iter().map(|m| (m.images, tokens)));
        self.shards.resize_with(batch.len(), Shard::default);
        let sums = mae.sums().iter().map(|slot| slot.len).sum();
        for (shard, masked) in self.shards.iter_mut().zip(batch) {
            let Sizes { visible, hidden, width, decoder_width, patch } = sizes(masked);
            let (seen, unseen) = (masked.images * (1 + visible), masked.images * hidden);
            for (buffer, len) in [
                (&mut shard.encoded, seen * width),
                (&mut shard.dencoded, seen * width),
                (&mut shard.dx, seen * width),
                (&mut shard.embedded, seen * decoder_width),
                (&mut shard.hidden, unseen * decoder_width),
                (&mut shard.normal, unseen * decoder_width),
                (&mut shard.dhidden, unseen * decoder_width),
                (&mut shard.dnormal, unseen * decoder_width),
                (&mut shard.predicted, unseen * patch),
                (&mut shard.sums, sums),
            ] {
                buffer.resize(len, 0.0);
            }
            shard.patch_embed.resize(kernels, mae.patch_embed, masked.images * visible);
            shard.decoder_embed.resize(kernels, mae.decoder_embed, seen);
            shard.decoder_pred.resize(kernels, mae.decoder_pred, unseen);
            if let Some(map) = mae.given {
                shard.given.resize(masked.images * decoder_width, 0.0);
                shard.embedding_proj.resize(kernels, map, masked.images);
            }
        }
    }

    /// Computes each shard's error from its pixels, and the gradient of the loss with respect to its prediction.
    fn forward(&mut self, mae: &Mae, batch: &[MaskedImages], weights: &[f64]) {
        let Self { kernels, encoder, decoder, weights: block_weights, packed, given, shards } =
            self;
        let (kernels, path, params) = (*kernels, kernels.path, mae.params().values());
        mae.patch_embed.pack(kernels, params, packed);
        let embedding = &*packed;
        encoder.inputs().zip(batch).for_each(|(x, masked)| mae.embed(path, embedding, masked, x));
        encoder.forward(&mae.encoder, kernels, params, &|_| None, block_weights);

        mae.decoder_embed.pack(kernels, params, packed);
        if let Some(map) = mae.given {
            map.pack(kernels, params, given);
        }
        let (embedding, given) = (&*packed, &*given);
        let all = shards.par_iter_mut().zip(batch).zip(encoder.outputs()).zip(decoder.inputs());
        all.for_each(|(((shard, masked), encoded), x)| {
            mae.norm.forward(path, params, encoded, &mut shard.encoded);
            mae.decoder_embed.forward(embedding, &shard.encoded, &mut shard.embedded);
            if let Some(map) = mae.given {
                let Sizes { visible, decoder_width: width, .. } = mae.sizes(masked.visible);
                map.forward(given, &masked.embeddings, &mut shard.given);
                let images = shard.embedded.chunks_exact_mut((1 + visible) * width);
                for (tokens, first) in images.zip(shard.given.chunks_exact(width)) {
                    tokens[..width].copy_from_slice(first);
                }
            }
            mae.place(path, masked, &shard.embedded, x);
        });
        decoder.forward(&mae.decoder, kernels, params, &|_| None, block_weights);

        mae.decoder_pred.pack(kernels, params, packed);
        let prediction = &*packed;
        let all = shards.par_iter_mut().zip(batch).zip(weights).zip(decoder.outputs());
        all.for_each(|(((shard, masked), weight), x)| {
            let Sizes { visible, hidden, decoder_width: width, .. } = mae.sizes(masked.visible);
            if hidden == 0 {
                shard.error = 0.0;
                return;
            }
            let images = x.chunks_exact((1 + visible + hidden) * width);
            for (x, out) in images.zip(shard.hidden.chunks_exact_mut(hidden * width)) {
                out.copy_from_slice(&x[(1 + visible) * width..]);
            }
            mae.decoder_norm.forward(path, params, &shard.hidden, &mut shard.normal);
            mae.decoder_pred.forward(prediction, &shard.normal, &mut shard.predicted);
            let scale = (2.0 * weight / masked.targets.len() as f64) as f32;
            shard.error = 0.0;
            let bias = mae.decoder_pred.bias(params);
            let Shard { predicted, error, .. } = shard;
            squared_error(path, predicted, bias, &masked.targets, scale, error);
        });
    }

    /// Computes the gradients of all parameters from those of the predictions.
    fn backward(&mut self, mae: &Mae, batch: &[MaskedImages], gradients: &mut dyn Gradients) {
        let Self { kernels, encoder, decoder, weights: block_weights, packed, shards, .. } = self;
        let (kernels, path, params) = (*kernels, kernels.path, mae.params().values());
        let parts = mae.sums().map(|slot| slot.len);
        mae.decoder_pred.pack_back(kernels, params, packed);
        let prediction = &*packed;
        let all = shards.par_iter_mut().zip(batch).zip(decoder.outputs());
        all.for_each(|((shard, masked), dx)| {
            let Sizes { visible, hidden, decoder_width: width, .. } = mae.sizes(masked.visible);
            shard.sums.fill(0.0);
            let [.., weight, bias, pred_bias] = split(&mut shard.sums, parts);
            dx.fill(0.0);
            if hidden == 0 {
                return;
            }
            add_rows(path, &shard.predicted, pred_bias);
            shard.decoder_pred.fill_dy(0, &shard.predicted);
            shard.decoder_pred.fill_x(0, &shard.normal);
            mae.decoder_pred.backward(prediction, &shard.predicted, &mut shard.dnormal);
            shard.dhidden.fill(0.0);
            let (x, dy, sums) = (&shard.hidden, &shard.dnormal, [weight, bias]);
            let into = NormGradients { dx: &mut shard.dhidden, sums, again: &mut [] };
            mae.decoder_norm.backward(path, params, x, dy, into);
            let images = dx.chunks_exact_mut((1 + visible + hidden) * width);
            for (dx, dhidden) in images.zip(shard.dhidden.chunks_exact(hidden * width)) {
                dx[(1 + visible) * width..].copy_from_slice(dhidden);
            }
        });
        mae.decoder_pred.weight_gradient(shards.iter().map(|s| &s.decoder_pred), gradients);
        decoder.backward(&mae.decoder, kernels, params, &|_| None, block_weights, gradients);

        mae.decoder_embed.pack_back(kernels, params, packed);
        let embedding = &*packed;
        let all = shards.par_iter_mut().zip(batch).zip(decoder.outputs()).zip(encoder.outputs());
        all.for_each(|(((shard, masked), ddecoder), x)| {
            let Sizes { visible, hidden, decoder_width: width, .. } = mae.sizes(masked.visible);
            let [_, _, weight, bias, embed_bias, mask, ..] = split(&mut shard.sums, parts);
            let seen = (1 + visible) * width;
            let images = ddecoder.chunks_exact(seen + hidden * width);
            for (dx, embedded) in images.zip(shard.embedded.chunks_exact_mut(seen)) {
                embedded.copy_from_slice(&dx[..seen]);
                add_rows(path, &dx[seen..], mask);
            }
            add_rows(path, &shard.embedded, embed_bias);
            if mae.given.is_some() {
                // What the encoder makes of the CLS token goes nowhere.
                let images = shard.embedded.chunks_exact_mut(seen);
                for (tokens, first) in images.zip(shard.given.chunks_exact_mut(width)) {
                    first.copy_from_slice(&tokens[..width]);
                    tokens[..width].fill(0.0);
                }
                shard.embedding_proj.fill_dy(0, &shard.given);
                shard.embedding_proj.fill_x(0, &masked.embeddings);
            }
            let Shard { embedded, encoded, dencoded, dx, decoder_embed, .. } = shard;
            decoder_embed.fill_dy(0, embedded);
            decoder_embed.fill_x(0, encoded);
            mae.decoder_embed.backward(embedding, embedded, dencoded);
            dx.fill(0.0);
            let into = NormGradients { dx, sums: [weight, bias], again: &mut [] };
            mae.norm.backward(path, params, x, dencoded, into);
            std::mem::swap(x, dx);
        });
        mae.decoder_embed.weight_gradient(shards.iter().map(|s| &s.decoder_embed), gradients);
        if let Some(map) = mae.given {
            map.weight_gradient(shards.iter().map(|s| &s.embedding_proj), gradients);
        }
        encoder.backward(&mae.encoder, kernels, params, &|_| None, block_weights, gradients);

        let all = shards.par_iter_mut().zip(batch).zip(encoder.outputs());
        all.for_each(|((shard, masked), dx)| {
            let Sizes { visible, width, .. } = mae.sizes(masked.visible);
            let [cls, embed_bias, ..] = split(&mut shard.sums, parts);
            for dx in dx.chunks_exact((1 + visible) * width) {
                add_rows(path, &dx[..width], cls);
                add_rows(path, &dx[width..], embed_bias);
            }
            shard.patch_embed.fill_dy(0, without_cls(dx, visible, width));
            shard.patch_embed.fill_x(0, &masked.pixels);
        });
        mae.patch_embed.weight_gradient(shards.iter().map(|s| &s.patch_embed), gradients);
        sum_slots(path, &mae.sums(), shards.iter().map(|shard| &shard.sums[..]), gradients);
    }
}

impl Pass for MaeRun {
    type Model = Mae;
    type Shard = MaskedImages;

    /// The loss is the mean squared error over the hidden patches' pixels.
    fn gradients(
        &mut self,
        mae: &Mae,
        batch: &[MaskedImages],
        weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        self.resize(mae, batch);
        self.forward(mae, batch, weights);
        self.backward(mae, batch, gradients);
        let shards = self.shards.iter().zip(weights).zip(batch);
        let losses = shards.map(|((shard, weight), masked)| {
            shard.error * weight / masked.targets.len().max(1) as f64
        });
        losses.sum()
    }
}

vectorized! {
    /// Adds `bias` to the rows of `predicted`, adds their squared distance from the targets to `error`, and replaces the rows with
    /// `scale` times their difference.
    fn squared_error<'a>(
        predicted: &'a mut [f32],
        bias: &'a [f32],
        targets: &'a [f32],
        scale: f32,
        error: &'a mut f64,
    ) {
        let width = bias.len();
        let rows = predicted.chunks_exact_mut(width).zip(targets.chunks_exact(width));
        for (row, targets) in rows {
            for ((value, bias), target) in row.iter_mut().zip(bias).zip(targets) {
                *value += bias - target;
            }
            *error += f64::from(sum_of([row], |[value]| value * value));
            for value in row {
                *value *= scale;
            }
        }
    }
}
