//! A pass over a batch: its memory, and its way from the pixels to the predictions.

use std::sync::Arc;

use super::Pictures;
use crate::{
    Result,
    crops::HeldImages,
    flat::Flat,
    gpu::{Buffer, Gpu, Kernels, Launch, int},
    model::MaeShape,
    pixels,
    rows::{NormMemory, RowKernels, RowSum, Rows},
    stack::{Scratch, Stack},
    table::Layer,
};

/// The layers outside the blocks.
pub(super) struct Layers {
    pub(super) cls: usize,
    pub(super) positions: usize,
    pub(super) patch_embed: Layer,
    pub(super) norm: Layer,
    pub(super) decoder_embed: Layer,
    pub(super) mask: usize,
    pub(super) decoder_positions: usize,
    pub(super) decoder_norm: Layer,
    pub(super) decoder_pred: Layer,
}

impl Layers {
    pub(super) fn of(flat: &Flat) -> Self {
        let (place, layer) = (|name| flat.table.place(name), |name| flat.table.layer(name));
        Self {
            cls: place("cls_token"),
            positions: place("pos_embed"),
            patch_embed: layer("patch_embed.proj"),
            norm: layer("norm"),
            decoder_embed: layer("decoder_embed"),
            mask: place("mask_token"),
            decoder_positions: place("decoder_pos_embed"),
            decoder_norm: layer("decoder_norm"),
            decoder_pred: layer("decoder_pred"),
        }
    }
}

/// Which of the decoder's patches are predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predicted {
    /// None: there is no decoder.
    None,
    /// The hidden ones, for the loss.
    Hidden,
    /// All.
    All,
}

/// The encoder's memory around its blocks.
pub(super) struct Encoding {
    pub(super) stack: Stack,
    pub(super) pictures: Buffer,
    pub(super) order: Buffer,
    pub(super) patches: Buffer,
    /// The embedded patches; then their gradient.
    pub(super) embedded: Buffer,
    pub(super) _last_stream: Buffer,
    pub(super) last: NormMemory,
}

/// The decoder's memory around its blocks.
pub(super) struct Decoding {
    pub(super) stack: Stack,
    /// The embedded tokens; then their gradient.
    pub(super) embedded: Buffer,
    pub(super) _last_stream: Buffer,
    pub(super) last: NormMemory,
    /// The predictions; then their gradient.
    pub(super) predicted: Buffer,
}

/// What the backward pass of a training step has besides.
pub(super) struct Backward {
    /// Gradients of the norms' results.
    pub(super) dpredicted: Buffer,
    pub(super) dencoded: Buffer,
    pub(super) loss_parts: Buffer,
    pub(super) cls: RowSum,
    pub(super) patch_bias: RowSum,
    pub(super) embed_bias: RowSum,
    pub(super) mask: RowSum,
}

/// A pass over batches of up to `capacity` images.
pub(super) struct Pass {
    pub(super) shape: MaeShape,
    pub(super) layers: Layers,
    pub(super) capacity: usize,
    pub(super) visible: usize,
    pub(super) predicted: Predicted,
    pub(super) pixels: Kernels,
    /// The normalised value of each byte in each channel.
    pub(super) table: Buffer,
    pub(super) scratch: Scratch,
    pub(super) encoding: Encoding,
    pub(super) decoding: Option<Decoding>,
    pub(super) backward: Option<Backward>,
}

impl Pass {
    pub(super) fn new(
        flat: &Flat,
        shape: MaeShape,
        table: &[f32],
        capacity: usize,
        visible: usize,
        predicted: Predicted,
    ) -> Result<Self> {
        let (gpu, layers) = (&flat.gpu, Layers::of(flat));
        let trained = predicted == Predicted::Hidden;
        let storage = flat.arithmetic.storage();
        let (act, res) = (storage.activation(), storage.residual());
        let (patches, pixels) = (shape.patches(), shape.pixels());
        let (width, decoder_width) = (shape.encoder.width, shape.decoder.width);
        let (seen, all) = (capacity * (1 + visible), capacity * (1 + patches));
        let new = |bytes| Buffer::new(gpu, bytes);

        let rows = Arc::new(RowKernels::new(gpu, width, storage, false)?);
        let stack = Stack::new(
            flat,
            Arc::clone(&rows),
            "blocks",
            shape.encoder,
            1 + visible,
            capacity,
            trained,
        )?;
        let last_stream = new(seen * width * res)?;
        let last = rows.memory(last_stream.at(), seen, trained)?;
        let encoding = Encoding {
            pictures: Buffer::zeros(gpu, capacity * shape.side * shape.side * 3)?,
            order: Buffer::zeros(gpu, capacity * patches * 4)?,
            patches: new(capacity * visible * pixels * act)?,
            embedded: new(capacity * visible * width * act)?,
            _last_stream: last_stream,
            last,
            stack,
        };
        let mut stacks = vec![(seen, width)];
        let mut decoding = None;
        let mut training = None;
        if predicted != Predicted::None {
            stacks.push((all, decoder_width));
            let rows = Arc::new(RowKernels::new(gpu, decoder_width, storage, false)?);
            let stack = Stack::new(
                flat,
                Arc::clone(&rows),
                "decoder_blocks",
                shape.decoder,
                1 + patches,
                capacity,
                trained,
            )?;
            let last_stream = new(all * decoder_width * res)?;
            let targets = capacity * (if trained { patches - visible } else { patches });
            decoding = Some(Decoding {
                stack,
                embedded: new(seen * decoder_width * act)?,
                last: rows.memory(last_stream.at(), targets, trained)?,
                _last_stream: last_stream,
                predicted: new(targets * pixels * act)?,
            });
            if trained {
                let encoder = &encoding.stack.rows;
                training = Some(Backward {
                    dpredicted: new(targets * decoder_width * act)?,
                    dencoded: new(seen * width * act)?,
                    loss_parts: new(loss_blocks(gpu.as_ref(), targets) * (pixels + 1) * 4)?,
                    cls: encoder.row_sum(capacity, layers.cls)?,
                    patch_bias: encoder.row_sum(capacity * visible, layers.patch_embed.bias)?,
                    embed_bias: rows.row_sum(seen, layers.decoder_embed.bias)?,
                    mask: rows.row_sum(targets, layers.mask)?,
                });
            }
        }
        Ok(Self {
            pixels: pixels::load(gpu, shape.side, shape.patch, storage)?,
            table: Buffer::of(gpu, table)?,
            scratch: Scratch::new(gpu, storage, &stacks, trained, false)?,
            shape,
            layers,
            capacity,
            visible,
            predicted,
            encoding,
            decoding,
            backward: training,
        })
    }

    /// Puts a batch's images and orders into the GPU's memory.
    pub(super) fn fill(
        &self,
        images: Pictures<'_>,
        orders: &[u32],
        held: Option<&mut HeldImages>,
    ) -> Result<()> {
        let bytes = self.shape.side * self.shape.side * 3;
        assert!(images.len() <= self.capacity, "room was made");
        match images {
            Pictures::Bytes(images) => {
                let fit = images.iter().all(|image| image.len() == bytes);
                assert!(fit, "images of the model's size");
                self.encoding.pictures.write_pieces(images)?;
            }
            Pictures::Crops(crops) => {
                let held = held.expect("a set that crops are of");
                held.bytes(crops, self.encoding.pictures.at())?;
            }
        }
        if orders.is_empty() {
            return Ok(());
        }
        assert_eq!(
            orders.len(),
            images.len() * self.shape.patches(),
            "an order of all patches an image"
        );
        self.encoding.order.write(orders)
    }

    /// From the pixels to the encoder's result: of all its tokens, or of the CLS token where nothing is predicted.
    pub(super) fn encode(&self, flat: &Flat, images: usize) -> Result<()> {
        let (encoding, layers) = (&self.encoding, &self.layers);
        let (visible, patches, pixels) = (self.visible, self.shape.patches(), self.shape.pixels());
        let order = if visible < patches || self.predicted != Predicted::None {
            encoding.order.at()
        } else {
            0
        };
        let numbers = images * visible * pixels;
        let mut arguments =
            vec![encoding.patches.at(), encoding.pictures.at(), self.table.at(), order];
        arguments.extend([numbers, patches, visible].map(int));
        self.launch(flat, "gather", numbers.div_ceil(256), 256, arguments)?;
        flat.forward_with_bias(
            encoding.embedded.at(),
            encoding.patches.at(),
            layers.patch_embed,
            images * visible,
        )?;
        let stack = &encoding.stack;
        let seen = (1, visible);
        stack.rows.tokens(
            flat,
            stack.input(),
            encoding.embedded.at(),
            layers.cls,
            layers.positions,
            order,
            (images, 1 + visible, patches),
            seen,
        )?;
        let added = stack.forward(flat, &self.scratch, images, None)?;
        let rows = match self.predicted {
            Predicted::None => Rows { images, count: 1, stride: 1 + visible, first: 0 },
            Predicted::Hidden | Predicted::All => Rows::all(images, 1 + visible),
        };
        stack.rows.normalise(flat, &encoding.last, Some(added), layers.norm, rows, false)
    }

    /// The predicted rows of the decoder's stream.
    pub(super) fn targets(&self, images: usize) -> Rows {
        let (visible, patches) = (self.visible, self.shape.patches());
        let (count, first) = match self.predicted {
            Predicted::Hidden => (patches - visible, 1 + visible),
            Predicted::All | Predicted::None => (patches, 1),
        };
        Rows { images, count, stride: 1 + patches, first }
    }

    /// From the encoder's result to the predictions.
    pub(super) fn decode(&self, flat: &Flat, images: usize) -> Result<()> {
        let (layers, decoding) = (&self.layers, self.decoding());
        let (seen, patches) = (images * (1 + self.visible), self.shape.patches());
        flat.forward_with_bias(
            decoding.embedded.at(),
            self.encoding.last.y.at(),
            layers.decoder_embed,
            seen,
        )?;
        let (stack, targets) = (&decoding.stack, self.targets(images));
        stack.rows.tokens(
            flat,
            stack.input(),
            decoding.embedded.at(),
            layers.mask,
            layers.decoder_positions,
            self.encoding.order.at(),
            (images, 1 + patches, patches),
            (0, 1 + self.visible),
        )?;
        let added = stack.forward(flat, &self.scratch, images, None)?;
        stack.rows.normalise(
            flat,
            &decoding.last,
            Some(added),
            layers.decoder_norm,
            targets,
            false,
        )?;
        flat.forward_with_bias(
            decoding.predicted.at(),
            decoding.last.y.at(),
            layers.decoder_pred,
            targets.len(),
        )
    }

    pub(super) fn decoding(&self) -> &Decoding {
        self.decoding.as_ref().expect("a pass that predicts has a decoder")
    }

    pub(super) fn launch(
        &self,
        flat: &Flat,
        name: &'static str,
        blocks: usize,
        threads: usize,
        arguments: Vec<u64>,
    ) -> Result<()> {
        let kernel = self.pixels.get(name);
        flat.gpu.launch(Launch { kernel, grid: (blocks, 1), threads, memory: 0, arguments })
    }
}

/// Blocks of the loss's kernel, a part a block.
pub(super) fn loss_blocks(gpu: &dyn Gpu, rows: usize) -> usize {
    (gpu.traits().multiprocessors * 8).min(rows.div_ceil(4)).max(1)
}
