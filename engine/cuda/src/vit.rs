//! The classifier of fine-tuning on a GPU: training and scores.

use std::{ops::Range, sync::Arc};

use crate::{
    Result,
    adamw::{Descent, Place},
    communicator::{Alone, Communicator},
    crops::{Crop, HeldImages, Mixing, placed},
    flat::Flat,
    gpu::{Buffer, Gpu, Kernels, Launch, int, real},
    kernels::Source,
    model::{Arithmetic, VitShape},
    pixels,
    plans::Plans,
    reduction::Reduction,
    rows::{Added, Grad, NormMemory, RowKernels, RowSum, Rows},
    stack::{self, Drops, Scratch, Stack},
    table::{Layer, Tensor},
    training::Training,
};

/// The images of a batch.
#[derive(Clone, Copy, Debug)]
pub enum Planes<'a> {
    /// `(images, 3, side, side)`, normalised and mixed.
    Numbers(&'a [f32]),
    /// Crops of the set that the trainer holds, and how they are mixed.
    Crops(&'a [Crop], Option<Mixing>),
}

/// Images with soft labels: a batch of fine-tuning.
#[derive(Clone, Copy, Debug)]
pub struct LabelledImages<'a> {
    /// The images.
    pub images: Planes<'a>,
    /// The classes' shares in each image's label, `(images, classes)`.
    pub targets: &'a [f32],
    /// Factors of stochastic depth for each of a block's two branches and each image; none where nothing is dropped.
    pub drops: &'a [Vec<f32>],
}

/// The layers outside the blocks.
struct Layers {
    cls: usize,
    positions: usize,
    patch_embed: Layer,
    norm: Layer,
    head: Layer,
}

/// What the backward pass of a training step has besides.
struct Backward {
    drops: Buffer,
    targets: Buffer,
    losses: Buffer,
    dlogits: Buffer,
    dnormal: Buffer,
    dpooled: Buffer,
    /// Parts of the sum for the last block's bias.
    pool_parts: Buffer,
    patch_bias: RowSum,
    loss: Kernels,
}

/// A pass over batches of up to `capacity` images.
struct Pass {
    shape: VitShape,
    layers: Layers,
    capacity: usize,
    rows: Arc<RowKernels>,
    stack: Stack,
    scratch: Scratch,
    pixels: Kernels,
    planes: Buffer,
    patches: Buffer,
    /// The embedded patches; then their gradient.
    embedded: Buffer,
    /// What the last norm reads: the stream, or its pooled rows.
    _last_stream: Buffer,
    last: NormMemory,
    logits: Buffer,
    backward: Option<Backward>,
}

impl Pass {
    fn new(
        flat: &Flat,
        shape: VitShape,
        capacity: usize,
        trained: bool,
        dropped: bool,
    ) -> Result<Self> {
        let (gpu, table) = (&flat.gpu, &flat.table);
        let storage = flat.arithmetic.storage();
        let (act, res) = (storage.activation(), storage.residual());
        let (patches, pixels, width) = (shape.patches(), shape.pixels(), shape.blocks.width);
        let (tokens, all) = (1 + patches, capacity * (1 + patches));
        let new = |bytes| Buffer::new(gpu, bytes);
        let layers = Layers {
            cls: table.place("cls_token"),
            positions: table.place("pos_embed"),
            patch_embed: table.layer("patch_embed.proj"),
            norm: table.layer(if shape.mean { "fc_norm" } else { "norm" }),
            head: table.layer("head"),
        };
        let rows = Arc::new(RowKernels::new(gpu, width, storage, true)?);
        let last_stream = new(if shape.mean { capacity } else { all } * width * res)?;
        let training = || -> Result<Backward> {
            Ok(Backward {
                drops: new(2 * shape.blocks.depth * capacity * 4)?,
                targets: new(capacity * shape.classes * 4)?,
                losses: new(capacity * 4)?,
                dlogits: new(capacity * shape.classes * 4)?,
                dnormal: new(capacity * width * 4)?,
                dpooled: new(capacity * width * res)?,
                pool_parts: new(capacity * width * 4)?,
                patch_bias: rows.row_sum(capacity * patches, layers.patch_embed.bias)?,
                loss: gpu.load(&Source::loss())?,
            })
        };
        Ok(Self {
            stack: Stack::new(
                flat,
                Arc::clone(&rows),
                "blocks",
                shape.blocks,
                tokens,
                capacity,
                trained,
            )?,
            scratch: Scratch::new(gpu, storage, &[(all, width)], trained, dropped)?,
            pixels: pixels::load(gpu, shape.side, shape.patch, storage)?,
            planes: new(capacity * 3 * shape.side * shape.side * 4)?,
            patches: new(capacity * patches * pixels * act)?,
            embedded: new(capacity * patches * width * act)?,
            last: rows.single_memory(last_stream.at(), capacity, trained)?,
            _last_stream: last_stream,
            logits: new(capacity * shape.classes * 4)?,
            backward: if trained { Some(training()?) } else { None },
            shape,
            layers,
            capacity,
            rows,
        })
    }

    /// The CLS tokens of the stream.
    fn cls_rows(&self, images: usize) -> Rows {
        Rows { images, count: 1, stride: 1 + self.shape.patches(), first: 0 }
    }

    /// From the images to the logits. Gives what the last block adds.
    fn forward(&self, flat: &Flat, images: usize, drops: Option<Drops>) -> Result<Added> {
        let layers = &self.layers;
        let (patches, tokens) = (self.shape.patches(), 1 + self.shape.patches());
        let numbers = images * patches * self.shape.pixels();
        let arguments = vec![self.patches.at(), self.planes.at(), int(numbers), int(patches)];
        let (kernel, grid) = (self.pixels.get("cut"), (numbers.div_ceil(256), 1));
        flat.gpu.launch(Launch { kernel, grid, threads: 256, memory: 0, arguments })?;
        flat.forward_with_bias(
            self.embedded.at(),
            self.patches.at(),
            layers.patch_embed,
            images * patches,
        )?;
        let sizes = (images, tokens);
        self.rows.tokens(
            flat,
            self.stack.input(),
            self.embedded.at(),
            layers.cls,
            layers.positions,
            0,
            (images, tokens, patches),
            (1, patches),
        )?;
        let added = self.stack.forward(flat, &self.scratch, images, drops)?;
        if self.shape.mean {
            self.rows.pool(flat, self.last.x, added, sizes)?;
            self.rows.normalise(flat, &self.last, None, layers.norm, Rows::all(images, 1), true)?;
        } else {
            self.rows.normalise(
                flat,
                &self.last,
                Some(added),
                layers.norm,
                self.cls_rows(images),
                true,
            )?;
        }
        let numbers = flat.arithmetic.head_numbers();
        flat.forward_in(numbers, self.logits.at(), self.last.y.at(), layers.head, images)?;
        Ok(added)
    }

    /// The part that these images have in the loss of a batch of `of`, and its gradient by all parameters.
    fn gradients(
        &self,
        flat: &Flat,
        after: &Reduction<'_>,
        images: usize,
        of: usize,
        dropping: bool,
    ) -> Result<()> {
        let sums = after.sums;
        let training = self.backward.as_ref().expect("a pass in training");
        let drops = dropping.then(|| Drops { factors: training.drops.at(), images });
        let added = self.forward(flat, images, drops)?;
        let (gpu, layers, classes, width) =
            (&flat.gpu, &self.layers, self.shape.classes, self.shape.blocks.width);
        let (dlogits, sizes) = (training.dlogits.at(), (images, 1 + self.shape.patches()));
        let mut arguments =
            vec![dlogits, training.losses.at(), self.logits.at(), training.targets.at()];
        arguments.extend([int(images), int(classes), real(1.0 / of as f32)]);
        let (kernel, grid) = (training.loss.get("cross_entropy"), (images.div_ceil(8), 1));
        gpu.launch(Launch { kernel, grid, threads: 256, memory: 0, arguments })?;
        sums.add(training.losses.at(), (images, 1), 1, flat.loss());
        sums.add(dlogits, (images, classes), classes, flat.grad(layers.head.bias));

        let numbers = flat.arithmetic.head_numbers();
        let dnormal = training.dnormal.at();
        flat.weights_in(numbers, dlogits, self.last.y.at(), layers.head, images)?;
        flat.inputs_in(numbers, dnormal, dlogits, layers.head, images)?;
        let grad = self.scratch.grad();
        if self.shape.mean {
            let to = Grad { exact: training.dpooled.at(), branch: 0 };
            self.rows.normalise_back(
                flat,
                sums,
                &self.last,
                to,
                0,
                dnormal,
                layers.norm,
                None,
                Rows::all(images, 1),
                true,
            )?;
            let parts = training.pool_parts.at();
            sums.add(parts, (images, width), width, flat.grad(added.bias));
            self.rows.pool_back(grad, parts, training.dpooled.at(), added.factors, sizes)?;
        } else {
            self.scratch.clear_grad(gpu, flat.arithmetic.storage(), sizes.0 * sizes.1, width)?;
            let branch = Some((added.factors, added.bias));
            let rows = self.cls_rows(images);
            self.rows.normalise_back(
                flat,
                sums,
                &self.last,
                grad,
                0,
                dnormal,
                layers.norm,
                branch,
                rows,
                true,
            )?;
        }
        after.passed()?;
        let stream = self.stack.backward(flat, &self.scratch, after, images, drops)?;
        self.rows.sum_tokens(flat, layers.positions, layers.cls, stream, sizes)?;
        let patches = Rows { images, count: self.shape.patches(), stride: sizes.1, first: 1 };
        self.rows.take(flat, sums, &training.patch_bias, self.embedded.at(), stream, patches)?;
        flat.weights(self.embedded.at(), self.patches.at(), layers.patch_embed, patches.len())?;
        after.passed()
    }
}

/// What the backward pass has the gradients of behind each of its stages.
fn stages(shape: &VitShape) -> Vec<Vec<String>> {
    let of = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let mut stages = vec![of(&["head", "fc_norm", "norm"])];
    stages.extend(stack::stages("blocks", shape.blocks.depth));
    stages.push(of(&["cls_token", "pos_embed", "patch_embed"]));
    stages
}

/// A kind of batch: how many images, of how many in all, whether branches are dropped, whether it completes a step.
type Kind = (usize, usize, bool, bool);

/// A classifier in training.
pub struct VitTrainer {
    training: Training,
    shape: VitShape,
    /// Plans are dropped before the memory that they name. Whether there is room for dropped branches.
    pass: Option<(Plans<Kind>, Pass, bool)>,
    /// The images that crops are of, and the normalised value of each byte in each channel.
    held: Option<(HeldImages, Buffer)>,
}

impl VitTrainer {
    /// With these parameters, in the order of `tensors`.
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        shape: VitShape,
        tensors: &[Tensor],
        descent: Descent,
    ) -> Result<Self> {
        let training = Training::new(gpu, arithmetic, tensors, descent, &stages(&shape))?;
        Ok(Self { training, shape, pass: None, held: None })
    }

    /// Takes the images that crops of later batches are of. `table` is the normalised value of each byte in each channel, `(3, 256)`.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn hold(&mut self, images: Option<HeldImages>, table: &[f32]) -> Result<()> {
        let gpu = &self.training.flat.gpu;
        self.held = match images {
            Some(images) => Some((images, Buffer::of(gpu, table)?)),
            None => None,
        };
        Ok(())
    }

    /// Makes room for batches of `images` images, whose branches may be dropped.
    ///
    /// # Errors
    /// When the GPU has no such room.
    pub fn reserve(&mut self, images: usize, dropping: bool) -> Result<()> {
        let fits = self
            .pass
            .as_ref()
            .is_some_and(|(_, pass, dropped)| pass.capacity >= images && (*dropped || !dropping));
        if !fits {
            self.pass = None;
            let pass = Pass::new(&self.training.flat, self.shape, images, true, dropping)?;
            self.pass = Some((Plans::new(&self.training.flat.gpu)?, pass, dropping));
        }
        Ok(())
    }

    /// Processes a batch, and steps the parameters if it completes a step. Returns before the GPU is done.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn step(&mut self, batch: &LabelledImages<'_>, place: Place) -> Result<()> {
        let images = batch.targets.len() / self.shape.classes;
        self.step_part(batch, 0..images, images, place, &Alone)
    }

    /// Processes the images `part` of a batch of `of` whose other images other ranks have, and steps like [`step`](Self::step).
    pub(crate) fn step_part(
        &mut self,
        batch: &LabelledImages<'_>,
        part: Range<usize>,
        of: usize,
        place: Place,
        others: &dyn Communicator,
    ) -> Result<()> {
        let (images, classes) = (part.len(), self.shape.classes);
        let numbers = 3 * self.shape.side * self.shape.side;
        let drops: Vec<f32> =
            batch.drops.iter().flat_map(|factors| &factors[part.clone()]).copied().collect();
        let dropping = drops.iter().any(|factor| factor.to_bits() != 1f32.to_bits());
        self.reserve(images, dropping)?;
        let completes = self.training.begin(place)?;
        let (plans, pass, _) = self.pass.as_mut().expect("room was made");
        let training = pass.backward.as_ref().expect("a pass in training");
        match batch.images {
            Planes::Numbers(planes) => {
                assert_eq!(planes.len(), of * numbers, "images of the model's size");
                pass.planes.write(&planes[part.start * numbers..part.end * numbers])?;
            }
            Planes::Crops(crops, mixing) => {
                let (held, table) = self.held.as_mut().expect("a set that crops are of");
                let list = placed(crops, part.clone(), mixing.is_some());
                held.planes((&list, images), mixing, table, pass.planes.at())?;
            }
        }
        training.targets.write(&batch.targets[part.start * classes..part.end * classes])?;
        if dropping {
            training.drops.write(&drops)?;
        }
        let pass = &*pass;
        let kind = (images, of, dropping, completes);
        self.training.run(plans, (kind, completes), others, |flat, after| {
            pass.gradients(flat, after, images, of, dropping)
        })
    }

    /// The model as it is at any later time, for evaluations.
    pub fn model(&self) -> VitModel {
        VitModel { flat: Arc::clone(&self.training.flat), shape: self.shape, pass: None }
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

/// A classifier for evaluations.
pub struct VitModel {
    flat: Arc<Flat>,
    shape: VitShape,
    pass: Option<Pass>,
}

impl VitModel {
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        shape: VitShape,
        tensors: &[Tensor],
    ) -> Result<Self> {
        let flat = Arc::new(Flat::new(gpu, arithmetic, tensors, false)?);
        Ok(Self { flat, shape, pass: None })
    }

    /// Replaces all parameters, in the host's order.
    pub(crate) fn set(&self, values: &[f32]) -> Result<()> {
        self.flat.set(values)
    }

    /// The scores of normalised images `(images, 3, side, side)`, `(images, classes)`.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn scores(&mut self, planes: &[f32]) -> Result<Vec<f32>> {
        let images = planes.len() / (3 * self.shape.side * self.shape.side);
        if self.pass.as_ref().is_none_or(|pass| pass.capacity < images) {
            self.pass = None;
            self.pass = Some(Pass::new(&self.flat, self.shape, images, false, false)?);
        }
        let pass = self.pass.as_ref().expect("just made");
        pass.planes.write(planes)?;
        pass.forward(&self.flat, images, None)?;
        pass.logits.read(images * self.shape.classes)
    }
}
