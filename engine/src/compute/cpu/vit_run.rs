//! The fine-tuned classifier's own arithmetic: gradients of a batch, scores of images.

use std::ops::Range;

use kernel::{Kernels, Packed, Path};
use rayon::prelude::*;
use shared::settings::Pooling;

use super::{
    Vit, WholeImages,
    mae_tokens::without_cls,
    nn::{
        BlockWeights, Factors, Gradients, NormGradients, Pull, StackRun, StackWeights, add_bias,
        add_rows, split, sum_slots,
    },
    shards::Pass,
};
use crate::{
    compute::{LabelledBatch, soft_cross_entropy},
    model::{PatchGrid, Slot},
};

/// Packed weights for evaluations.
#[derive(Debug)]
pub(super) struct VitWeights {
    pub(super) kernels: Kernels,
    patch_embed: Packed,
    blocks: StackWeights,
    head: Packed,
}

impl VitWeights {
    pub(super) fn new(vit: &Vit, kernels: Kernels) -> Self {
        let params = vit.params().values();
        let blocks = vit.blocks.pack(kernels, params);
        let (mut patch_embed, mut head) = (Packed::default(), Packed::default());
        vit.patch_embed.pack(kernels, params, &mut patch_embed);
        vit.head.pack(kernels.in_single(), params, &mut head);
        Self { kernels, patch_embed, blocks, head }
    }
}

/// Some images of a batch, ready to train on.
#[derive(Debug, Default)]
pub struct LabelledImages {
    /// The images.
    pub images: WholeImages,
    /// The classes' shares in their labels, `(images, classes)`.
    pub targets: Vec<f32>,
    /// Factors of stochastic depth for each of a block's two branches and each image; `None` where nothing is dropped.
    pub drops: Option<Vec<Vec<f32>>>,
}

impl LabelledImages {
    /// Replaces the content with these images of a batch.
    pub(super) fn fill(
        &mut self,
        grid: PatchGrid,
        classes: usize,
        batch: &LabelledBatch,
        images: Range<usize>,
    ) {
        self.images.images = 0;
        self.images.pixels.clear();
        let planes = batch.planes.chunks_exact(grid.image_len());
        for image in planes.skip(images.start).take(images.len()) {
            self.images.push(grid, image);
        }
        self.targets.clear();
        let targets = &batch.targets[images.start * classes..images.end * classes];
        self.targets.extend_from_slice(targets);
        let drops = self.drops.get_or_insert_default();
        drops.resize_with(batch.drops.len(), Vec::new);
        for (part, factors) in drops.iter_mut().zip(&batch.drops) {
            part.clear();
            part.extend_from_slice(&factors[images.clone()]);
        }
    }
}

/// Memory of a shard after the blocks. Rows are images.
#[derive(Debug, Default)]
struct Shard {
    /// `(images, width)`: pooled tokens, the norm's output, and their gradients.
    pooled: Vec<f32>,
    normal: Vec<f32>,
    dpooled: Vec<f32>,
    dnormal: Vec<f32>,
    /// `(images, classes)`
    logits: Vec<f32>,
    dlogits: Vec<f32>,
    /// The mean loss over the shard.
    loss: f64,
    /// Gradients that are summed over the shard's images, in the order of [`Vit::sums`].
    sums: Vec<f32>,
    /// Factors of the weight gradients of the patch embedding and the head.
    embed_factors: Factors,
    head_factors: Factors,
}

/// Reusable memory and packed weights of training steps.
#[derive(Debug)]
pub struct VitRun {
    kernels: Kernels,
    blocks: StackRun,
    weights: BlockWeights,
    packed: Packed,
    shards: Vec<Shard>,
}

impl Vit {
    fn width(&self) -> usize {
        self.spec().encoder.dim as usize
    }

    /// The parameters outside the blocks whose gradients are sums over rows.
    fn sums(&self) -> [Slot; 6] {
        let [weight, bias] = self.norm.slots();
        let (embed, head) = (self.patch_embed.bias_slot(), self.head.bias_slot());
        [self.cls_token, self.positions, embed, weight, bias, head]
    }

    /// The blocks' input: CLS token and patches with their positions.
    fn embed(&self, path: Path, packed: &Packed, images: &WholeImages, x: &mut [f32]) {
        let (width, params) = (self.width(), self.params().values());
        let positions = self.positions.of(params);
        let pixels = images.pixels.chunks_exact(self.grid().image_len());
        for (x, pixels) in x.chunks_exact_mut(positions.len()).zip(pixels) {
            let (cls, tokens) = x.split_at_mut(width);
            cls.copy_from_slice(self.cls_token.of(params));
            self.patch_embed.forward(packed, pixels, tokens);
            add_bias(path, tokens, self.patch_embed.bias(params));
            add_bias(path, x, positions);
        }
    }

    /// Pools the tokens of each image into one row.
    fn pool(&self, path: Path, x: &[f32], pooled: &mut [f32]) {
        let width = self.width();
        let images = x.chunks_exact((1 + self.grid().count()) * width);
        for (x, pooled) in images.zip(pooled.chunks_exact_mut(width)) {
            match self.pooling {
                Pooling::Cls => pooled.copy_from_slice(&x[..width]),
                Pooling::Mean => {
                    pooled.fill(0.0);
                    add_rows(path, &x[width..], pooled);
                    let share = 1.0 / self.grid().count() as f32;
                    for value in pooled {
                        *value *= share;
                    }
                }
            }
        }
    }

    /// The gradient of the tokens from that of the pooled rows.
    fn unpool(&self, dpooled: &[f32], dx: &mut [f32]) {
        let width = self.width();
        let images = dx.chunks_exact_mut((1 + self.grid().count()) * width);
        for (dpooled, dx) in dpooled.chunks_exact(width).zip(images) {
            dx.fill(0.0);
            match self.pooling {
                Pooling::Cls => dx[..width].copy_from_slice(dpooled),
                Pooling::Mean => {
                    let share = 1.0 / self.grid().count() as f32;
                    for token in dx[width..].chunks_exact_mut(width) {
                        token.iter_mut().zip(dpooled).for_each(|(dx, d)| *dx = d * share);
                    }
                }
            }
        }
    }

    /// Class scores `(images, classes)`, on the calling thread.
    pub fn logits(&self, images: &WholeImages, kernels: Kernels) -> Vec<f32> {
        let weights = self.packed(kernels);
        let (path, params) = (weights.kernels.path, self.params().values());
        let tokens = 1 + self.grid().count();
        let mut x = vec![0.0; images.images * tokens * self.width()];
        self.embed(path, &weights.patch_embed, images, &mut x);
        let run = &mut StackRun::default();
        run.evaluate(&self.blocks, &weights.blocks, weights.kernels, params, tokens, &mut x);
        let mut pooled = vec![0.0; images.images * self.width()];
        let mut normal = pooled.clone();
        self.pool(path, &x, &mut pooled);
        self.norm.forward(path, params, &pooled, &mut normal);
        let mut logits = vec![0.0; images.images * self.classes()];
        self.head.forward(&weights.head, &normal, &mut logits);
        add_bias(path, &mut logits, self.head.bias(params));
        logits
    }
}

impl VitRun {
    /// Allocates nothing yet.
    pub fn new(kernels: Kernels) -> Self {
        Self {
            kernels,
            blocks: StackRun::default(),
            weights: BlockWeights::default(),
            packed: Packed::default(),
            shards: Vec::new(),
        }
    }

    /// The scores of the last batch, one shard after the other.
    pub fn logits(&self) -> Vec<f32> {
        self.scores().collect()
    }

    fn resize(&mut self, vit: &Vit, batch: &[LabelledImages]) {
        let tokens = 1 + vit.grid().count();
        let sizes = batch.iter().map(|shard| (shard.images.images, tokens));
        self.blocks.resize(&vit.blocks, self.kernels, sizes);
        self.shards.resize_with(batch.len(), Shard::default);
        let sums = vit.sums().iter().map(|slot| slot.len).sum();
        for (shard, LabelledImages { images, .. }) in self.shards.iter_mut().zip(batch) {
            let (rows, classes) = (images.images * vit.width(), images.images * vit.classes());
            for (buffer, len) in [
                (&mut shard.pooled, rows),
                (&mut shard.normal, rows),
                (&mut shard.dpooled, rows),
                (&mut shard.dnormal, rows),
                (&mut shard.logits, classes),
                (&mut shard.dlogits, classes),
                (&mut shard.sums, sums),
            ] {
                buffer.resize(len, 0.0);
            }
            let patches = images.images * vit.grid().count();
            shard.embed_factors.resize(self.kernels, vit.patch_embed, patches);
            shard.head_factors.resize(self.kernels.in_single(), vit.head, images.images);
        }
    }

    /// Scores of the images of each shard.
    pub(super) fn score(&mut self, vit: &Vit, batch: &[LabelledImages]) {
        self.resize(vit, batch);
        let Self { kernels, blocks, weights: block_weights, packed, shards } = self;
        let (kernels, path, params) = (*kernels, kernels.path, vit.params().values());
        let drops = |shard: usize| batch[shard].drops.as_deref();
        vit.patch_embed.pack(kernels, params, packed);
        let embedding = &*packed;
        let inputs = blocks.inputs().zip(batch);
        inputs.for_each(|(x, shard)| vit.embed(path, embedding, &shard.images, x));
        blocks.forward(&vit.blocks, kernels, params, &drops, block_weights);
        vit.head.pack(kernels.in_single(), params, packed);
        let head = &*packed;
        shards.par_iter_mut().zip(blocks.outputs()).for_each(|(shard, x)| {
            let Shard { pooled, normal, logits, .. } = shard;
            vit.pool(path, x, pooled);
            vit.norm.forward(path, params, pooled, normal);
            vit.head.forward(head, normal, logits);
            add_bias(path, logits, vit.head.bias(params));
        });
    }

    /// The scores of the last batch, one shard after the other.
    pub(super) fn scores(&self) -> impl Iterator<Item = f32> {
        self.shards.iter().flat_map(|shard| &shard.logits).copied()
    }

    /// Each shard's tokens after this number of blocks, `(images * tokens, width)`; valid until the gradients are computed.
    pub(super) fn after(&self, blocks: usize) -> impl Iterator<Item = &[f32]> {
        self.blocks.after(blocks)
    }

    /// The loss of the labels, of images that were scored; passes its gradient and that of `pulls` to `gradients`.
    pub(super) fn labelled(
        &mut self,
        vit: &Vit,
        batch: &[LabelledImages],
        weights: &[f64],
        pulls: &[Pull],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        self.compare(vit, batch, weights);
        self.backward(vit, batch, pulls, gradients);
        self.shards.iter().zip(weights).map(|(shard, weight)| shard.loss * weight).sum()
    }

    /// Passes the gradient of a loss of the scores to `gradients`, given its gradient in the scores of the whole batch.
    pub(super) fn back(
        &mut self,
        vit: &Vit,
        batch: &[LabelledImages],
        dscores: &[f32],
        gradients: &mut dyn Gradients,
    ) {
        let mut rest = dscores;
        for shard in &mut self.shards {
            let (own, others) = rest.split_at(shard.dlogits.len());
            shard.dlogits.copy_from_slice(own);
            rest = others;
        }
        self.backward(vit, batch, &[], gradients);
    }

    /// The loss of each shard, and its gradient.
    fn compare(&mut self, vit: &Vit, batch: &[LabelledImages], weights: &[f64]) {
        let all = self.shards.par_iter_mut().zip(batch).zip(weights);
        all.for_each(|((shard, LabelledImages { targets, .. }), &weight)| {
            let Shard { logits, dlogits, loss, .. } = shard;
            *loss = soft_cross_entropy(logits, targets, vit.classes(), weight, dlogits);
        });
    }

    fn backward(
        &mut self,
        vit: &Vit,
        batch: &[LabelledImages],
        pulls: &[Pull],
        gradients: &mut dyn Gradients,
    ) {
        let Self { kernels, blocks, weights: block_weights, packed, shards } = self;
        let (kernels, path, params) = (*kernels, kernels.path, vit.params().values());
        let drops = |shard: usize| batch[shard].drops.as_deref();
        let parts = vit.sums().map(|slot| slot.len);
        vit.head.pack_back(kernels.in_single(), params, packed);
        let head = &*packed;
        shards.par_iter_mut().zip(blocks.outputs()).for_each(|(shard, dx)| {
            let Shard { pooled, normal, dpooled, dnormal, dlogits, sums, head_factors, .. } = shard;
            sums.fill(0.0);
            let [.., weight, bias, head_bias] = split(sums, parts);
            add_rows(path, dlogits, head_bias);
            head_factors.fill_dy(0, dlogits);
            head_factors.fill_x(0, normal);
            vit.head.backward(head, dlogits, dnormal);
            dpooled.fill(0.0);
            let into = NormGradients { dx: dpooled, sums: [weight, bias], again: &mut [] };
            vit.norm.backward(path, params, pooled, dnormal, into);
            vit.unpool(dpooled, dx);
        });
        vit.head.weight_gradient(shards.iter().map(|shard| &shard.head_factors), gradients);
        let with = (kernels, params);
        blocks.backward_pulled(&vit.blocks, with, &drops, block_weights, pulls, gradients);

        shards.par_iter_mut().zip(blocks.outputs()).zip(batch).for_each(|((shard, dx), batch)| {
            let [cls, positions, embed_bias, ..] = split(&mut shard.sums, parts);
            add_rows(path, dx, positions);
            let width = cls.len();
            cls.copy_from_slice(&positions[..width]);
            add_rows(path, &positions[width..], embed_bias);
            shard.embed_factors.fill_dy(0, without_cls(dx, vit.grid().count(), width));
            shard.embed_factors.fill_x(0, &batch.images.pixels);
        });
        vit.patch_embed.weight_gradient(shards.iter().map(|shard| &shard.embed_factors), gradients);
        sum_slots(path, &vit.sums(), shards.iter().map(|shard| &shard.sums[..]), gradients);
    }
}

impl Pass for VitRun {
    type Model = Vit;
    type Shard = LabelledImages;

    /// The loss is the mean of `-sum(share * log softmax(logits))`.
    fn gradients(
        &mut self,
        vit: &Vit,
        batch: &[LabelledImages],
        weights: &[f64],
        gradients: &mut dyn Gradients,
    ) -> f64 {
        self.score(vit, batch);
        self.labelled(vit, batch, weights, &[], gradients)
    }
}
