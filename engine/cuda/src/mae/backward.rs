//! The backward pass: from the loss to the gradients, stage by stage.

use super::pass::{Pass, loss_blocks};
use crate::{
    Result,
    flat::Flat,
    gpu::{int, real},
    model::MaeShape,
    reduction::Reduction,
    rows::Rows,
    stack,
};

impl Pass {
    /// The part that these images have in the loss of a batch of `of`, and its gradient by all parameters.
    pub(super) fn gradients(
        &self,
        flat: &Flat,
        after: &Reduction<'_>,
        images: usize,
        of: usize,
        normalised: bool,
    ) -> Result<()> {
        let sums = after.sums;
        self.encode(flat, images)?;
        self.decode(flat, images)?;
        let (layers, encoding, decoding) = (&self.layers, &self.encoding, self.decoding());
        let training = self.backward.as_ref().expect("a pass in training");
        let (visible, patches, pixels) = (self.visible, self.shape.patches(), self.shape.pixels());
        let (targets, seen) = (self.targets(images), images * (1 + visible));
        let predicted = decoding.predicted.at();

        let numbers = of * targets.count * pixels;
        let weight = if numbers == 0 { 0.0 } else { 1.0 / numbers as f32 };
        let blocks = loss_blocks(flat.gpu.as_ref(), targets.len());
        let parts = training.loss_parts.at();
        sums.add(parts, (blocks, pixels + 1), pixels, flat.grad(layers.decoder_pred.bias));
        sums.add(parts + 4 * pixels as u64, (blocks, pixels + 1), 1, flat.loss());
        let mut arguments =
            vec![predicted, parts, encoding.pictures.at(), self.table.at(), encoding.order.at()];
        arguments.extend([targets.len(), patches, visible].map(int));
        arguments.extend([real(weight), int(usize::from(normalised))]);
        self.launch(flat, "pixel_loss", blocks, 128, arguments)?;

        let (storage, all) = (flat.arithmetic.storage(), images * (1 + patches));
        let (grad, stack) = (self.scratch.grad(), &decoding.stack);
        flat.weights(predicted, decoding.last.y.at(), layers.decoder_pred, targets.len())?;
        flat.inputs(training.dpredicted.at(), predicted, layers.decoder_pred, targets.len())?;
        self.scratch.clear_grad(&flat.gpu, storage, all, self.shape.decoder.width)?;
        let branch = Some((0, last_bias(flat, "decoder_blocks", self.shape.decoder.depth)));
        let dy = training.dpredicted.at();
        stack.rows.normalise_back(
            flat,
            sums,
            &decoding.last,
            grad,
            0,
            dy,
            layers.decoder_norm,
            branch,
            targets,
            false,
        )?;
        after.passed()?;
        let stream = stack.backward(flat, &self.scratch, after, images, None)?;
        let hidden =
            Rows { images, count: patches - visible, stride: 1 + patches, first: 1 + visible };
        stack.rows.take(flat, sums, &training.mask, 0, stream, hidden)?;
        let shown = Rows { images, count: 1 + visible, stride: 1 + patches, first: 0 };
        stack.rows.take(flat, sums, &training.embed_bias, decoding.embedded.at(), stream, shown)?;
        flat.weights(decoding.embedded.at(), encoding.last.y.at(), layers.decoder_embed, seen)?;
        flat.inputs(training.dencoded.at(), decoding.embedded.at(), layers.decoder_embed, seen)?;

        let stack = &encoding.stack;
        let branch = Some((0, last_bias(flat, "blocks", self.shape.encoder.depth)));
        let rows = Rows::all(images, 1 + visible);
        let dy = training.dencoded.at();
        stack.rows.normalise_back(
            flat,
            sums,
            &encoding.last,
            grad,
            0,
            dy,
            layers.norm,
            branch,
            rows,
            false,
        )?;
        after.passed()?;
        let stream = stack.backward(flat, &self.scratch, after, images, None)?;
        let first = Rows { images, count: 1, stride: 1 + visible, first: 0 };
        stack.rows.take(flat, sums, &training.cls, 0, stream, first)?;
        let rest = Rows { images, count: visible, stride: 1 + visible, first: 1 };
        stack.rows.take(flat, sums, &training.patch_bias, encoding.embedded.at(), stream, rest)?;
        flat.weights(
            encoding.embedded.at(),
            encoding.patches.at(),
            layers.patch_embed,
            images * visible,
        )?;
        after.passed()
    }
}

/// What the backward pass has the gradients of behind each of its stages.
pub(super) fn stages(shape: &MaeShape) -> Vec<Vec<String>> {
    let of = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let mut stages = vec![of(&["decoder_pred", "decoder_norm"])];
    stages.extend(stack::stages("decoder_blocks", shape.decoder.depth));
    stages.push(of(&["mask_token", "decoder_embed", "norm"]));
    stages.extend(stack::stages("blocks", shape.encoder.depth));
    stages.push(of(&["cls_token", "patch_embed"]));
    stages
}

/// The place of the bias that the last block adds.
fn last_bias(flat: &Flat, blocks: &str, depth: usize) -> usize {
    flat.table.layer(&format!("{blocks}.{}.mlp.fc2", depth - 1)).bias
}
