//! The masked autoencoder on a GPU: training, features, predictions.

use std::{ops::Range, sync::Arc};

use crate::{
    Result,
    adamw::{Descent, Place},
    communicator::{Alone, Communicator},
    crops::{Crop, HeldImages},
    flat::Flat,
    gpu::{Buffer, Gpu, Kernels, Launch, int, real},
    kernels::Source,
    model::{Arithmetic, MaeShape},
    plans::Plans,
    reduction::Reduction,
    rows::{NormMemory, RowKernels, RowSum, Rows},
    stack::{self, Scratch, Stack},
    table::{Layer, Tensor},
    training::Training,
};

/// The images of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Pictures<'a> {
    /// The pixels of each, `(side, side, 3)`.
    Bytes(&'a [&'a [u8]]),
    /// Crops of the set that the trainer holds.
    Crops(&'a [Crop]),
}

impl Pictures<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(images) => images.len(),
            Self::Crops(crops) => crops.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them.
    pub(crate) fn part(self, part: Range<usize>) -> Self {
        match self {
            Self::Bytes(images) => Self::Bytes(&images[part]),
            Self::Crops(crops) => Self::Crops(&crops[part]),
        }
    }
}

/// Masked images: a batch of pre-training.
#[derive(Clone, Copy, Debug)]
pub struct MaskedImages<'a> {
    /// The images.
    pub images: Pictures<'a>,
    /// For each image all patches, `(images, patches)`: the visible ones first.
    pub orders: &'a [u32],
    /// Visible patches of an image.
    pub visible: usize,
    /// Whether a patch's target is normalised by its own mean and deviation.
    pub normalised: bool,
}

/// The layers outside the blocks.
struct Layers {
    cls: usize,
    positions: usize,
    patch_embed: Layer,
    norm: Layer,
    decoder_embed: Layer,
    mask: usize,
    decoder_positions: usize,
    decoder_norm: Layer,
    decoder_pred: Layer,
}

impl Layers {
    fn of(flat: &Flat) -> Self {
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
enum Predicted {
    /// None: there is no decoder.
    None,
    /// The hidden ones, for the loss.
    Hidden,
    /// All.
    All,
}

/// The encoder's memory around its blocks.
struct Encoding {
    stack: Stack,
    pictures: Buffer,
    order: Buffer,
    patches: Buffer,
    /// The embedded patches; then their gradient.
    embedded: Buffer,
    _last_stream: Buffer,
    last: NormMemory,
}

/// The decoder's memory around its blocks.
struct Decoding {
    stack: Stack,
    /// The embedded tokens; then their gradient.
    embedded: Buffer,
    _last_stream: Buffer,
    last: NormMemory,
    /// The predictions; then their gradient.
    predicted: Buffer,
}

/// What the backward pass of a training step has besides.
struct Backward {
    /// Gradients of the norms' results.
    dpredicted: Buffer,
    dencoded: Buffer,
    loss_parts: Buffer,
    cls: RowSum,
    patch_bias: RowSum,
    embed_bias: RowSum,
    mask: RowSum,
}

/// A pass over batches of up to `capacity` images.
struct Pass {
    shape: MaeShape,
    layers: Layers,
    capacity: usize,
    visible: usize,
    predicted: Predicted,
    pixels: Kernels,
    /// The normalised value of each byte in each channel.
    table: Buffer,
    scratch: Scratch,
    encoding: Encoding,
    decoding: Option<Decoding>,
    backward: Option<Backward>,
}

impl Pass {
    fn new(
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
            pixels: gpu.load(&Source::pixels(shape.side, shape.patch).stored(storage))?,
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
    fn fill(
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
    fn encode(&self, flat: &Flat, images: usize) -> Result<()> {
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
    fn targets(&self, images: usize) -> Rows {
        let (visible, patches) = (self.visible, self.shape.patches());
        let (count, first) = match self.predicted {
            Predicted::Hidden => (patches - visible, 1 + visible),
            Predicted::All | Predicted::None => (patches, 1),
        };
        Rows { images, count, stride: 1 + patches, first }
    }

    /// From the encoder's result to the predictions.
    fn decode(&self, flat: &Flat, images: usize) -> Result<()> {
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

    fn decoding(&self) -> &Decoding {
        self.decoding.as_ref().expect("a pass that predicts has a decoder")
    }

    fn launch(
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

    /// The part that these images have in the loss of a batch of `of`, and its gradient by all parameters.
    fn gradients(
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
fn stages(shape: &MaeShape) -> Vec<Vec<String>> {
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

/// Blocks of the loss's kernel, a part a block.
fn loss_blocks(gpu: &dyn Gpu, rows: usize) -> usize {
    (gpu.traits().multiprocessors * 8).min(rows.div_ceil(4)).max(1)
}

/// A kind of batch: how many images, of how many in all, whether targets are normalised, whether it completes a step.
type Kind = (usize, usize, bool, bool);

/// A masked autoencoder in training.
pub struct MaeTrainer {
    training: Training,
    shape: MaeShape,
    table: Vec<f32>,
    /// Plans are dropped before the memory that they name.
    pass: Option<(Plans<Kind>, Pass)>,
    /// The images that crops are of.
    held: Option<HeldImages>,
}

impl MaeTrainer {
    /// With these parameters, in the order of `tensors`; `table` is the normalised value of each byte in each channel, `(3, 256)`.
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        shape: MaeShape,
        tensors: &[Tensor],
        table: &[f32],
        descent: Descent,
    ) -> Result<Self> {
        let training = Training::new(gpu, arithmetic, tensors, descent, &stages(&shape))?;
        Ok(Self { training, shape, table: table.to_vec(), pass: None, held: None })
    }

    /// Takes the images that crops of later batches are of.
    pub fn hold(&mut self, images: Option<HeldImages>) {
        self.held = images;
    }

    /// Makes room for batches of `images` images with `visible` visible patches each.
    ///
    /// # Errors
    /// When the GPU has no such room.
    pub fn reserve(&mut self, images: usize, visible: usize) -> Result<()> {
        let fits = self
            .pass
            .as_ref()
            .is_some_and(|(_, pass)| pass.capacity >= images && pass.visible == visible);
        if !fits {
            // The old memory goes before the new is taken.
            self.pass = None;
            let pass = Pass::new(
                &self.training.flat,
                self.shape,
                &self.table,
                images,
                visible,
                Predicted::Hidden,
            )?;
            self.pass = Some((Plans::new(&self.training.flat.gpu)?, pass));
        }
        Ok(())
    }

    /// Processes a batch, and steps the parameters if it completes a step. Returns before the GPU is done.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn step(&mut self, batch: &MaskedImages<'_>, place: Place) -> Result<()> {
        self.step_part(batch, batch.images.len(), place, &Alone)
    }

    /// Processes a part of a batch of `of` images whose other parts other ranks have, and steps like [`step`](Self::step).
    pub(crate) fn step_part(
        &mut self,
        part: &MaskedImages<'_>,
        of: usize,
        place: Place,
        others: &dyn Communicator,
    ) -> Result<()> {
        let images = part.images.len();
        self.reserve(images, part.visible)?;
        let completes = self.training.begin(place)?;
        let (plans, pass) = self.pass.as_mut().expect("room was made");
        pass.fill(part.images, part.orders, self.held.as_mut())?;
        let (pass, normalised) = (&*pass, part.normalised);
        let kind = (images, of, normalised, completes);
        self.training.run(plans, (kind, completes), others, |flat, after| {
            pass.gradients(flat, after, images, of, normalised)
        })
    }

    /// The model as it is at any later time, for evaluations.
    pub fn model(&self) -> MaeModel {
        let (flat, table) = (Arc::clone(&self.training.flat), self.table.clone());
        MaeModel { flat, shape: self.shape, table, pass: None }
    }

    /// Its parameters, moments and losses.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// Its parameters, moments and losses, to change.
    pub fn training_mut(&mut self) -> &mut Training {
        &mut self.training
    }
}

/// A masked autoencoder for evaluations.
pub struct MaeModel {
    flat: Arc<Flat>,
    shape: MaeShape,
    table: Vec<f32>,
    pass: Option<Pass>,
}

impl MaeModel {
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        shape: MaeShape,
        tensors: &[Tensor],
        table: &[f32],
    ) -> Result<Self> {
        let flat = Arc::new(Flat::new(gpu, arithmetic, tensors, false)?);
        Ok(Self { flat, shape, table: table.to_vec(), pass: None })
    }

    /// Replaces all parameters, in the host's order.
    pub(crate) fn set(&self, values: &[f32]) -> Result<()> {
        self.flat.set(values)
    }

    /// A pass of this kind with room for `images` images.
    fn pass(
        &mut self,
        images: usize,
        visible: usize,
        predicted: Predicted,
    ) -> Result<(&Flat, &Pass)> {
        let fits = |pass: &Pass| {
            pass.capacity >= images && (pass.visible, pass.predicted) == (visible, predicted)
        };
        if !self.pass.as_ref().is_some_and(fits) {
            self.pass = None;
            self.pass =
                Some(Pass::new(&self.flat, self.shape, &self.table, images, visible, predicted)?);
        }
        Ok((&self.flat, self.pass.as_ref().expect("just made")))
    }

    /// Makes room for the features of `images` images at once.
    pub(crate) fn reserve_features(&mut self, images: usize) -> Result<()> {
        let patches = self.shape.patches();
        self.pass(images, patches, Predicted::None).map(|_| ())
    }

    /// CLS features of whole images behind the last norm, `(images, width)`.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn features(&mut self, images: &[&[u8]]) -> Result<Vec<f32>> {
        let (patches, width) = (self.shape.patches(), self.shape.encoder.width);
        let (flat, pass) = self.pass(images.len(), patches, Predicted::None)?;
        pass.fill(Pictures::Bytes(images), &[], None)?;
        pass.encode(flat, images.len())?;
        read_activations(flat, &pass.encoding.last.y, images.len() * width)
    }

    /// The decoder's prediction of every patch, `(images, patches, patch * patch * 3)`, in the order of the batch.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn predict(&mut self, batch: &MaskedImages<'_>) -> Result<Vec<f32>> {
        let (images, numbers) = (batch.images.len(), self.shape.patches() * self.shape.pixels());
        let (flat, pass) = self.pass(images, batch.visible, Predicted::All)?;
        pass.fill(batch.images, batch.orders, None)?;
        pass.encode(flat, images)?;
        pass.decode(flat, images)?;
        read_activations(flat, &pass.decoding().predicted, images * numbers)
    }
}

/// Activations as numbers of the host.
fn read_activations(flat: &Flat, buffer: &Buffer, count: usize) -> Result<Vec<f32>> {
    if flat.arithmetic.storage().activations_f32 {
        return buffer.read(count);
    }
    let bits: Vec<u16> = buffer.read(count)?;
    Ok(bits.into_iter().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect())
}
