//! The transformer blocks of an encoder or a decoder: forward and backward over a whole batch.

use std::sync::Arc;

use crate::{
    Result,
    attention::{Attention, Sized},
    flat::Flat,
    gpu::{Address, Buffer, Gpu, Kernels, Launch, int, real},
    kernels::{Source, Storage},
    model::Blocks,
    reduction::Reduction,
    rows::{Added, Grad, NormMemory, RowKernels, Rows},
    table::Layer,
};

/// Ratio of the width inside a block's MLP to the width outside.
const MLP_RATIO: usize = 4;
/// Numbers of a piece of a GELU kernel.
const CHUNK: usize = 8;

/// The layers of a block.
struct BlockLayers {
    norm1: Layer,
    qkv: Layer,
    proj: Layer,
    norm2: Layer,
    fc1: Layer,
    fc2: Layer,
}

/// What a block keeps for its backward pass.
struct BlockMemory {
    /// The residual stream in front of each norm.
    _streams: [Buffer; 2],
    norm1: NormMemory,
    qkv: Buffer,
    log_sums: Buffer,
    mixed: Buffer,
    norm2: NormMemory,
    /// What goes into GELU, without its bias.
    before: Buffer,
    /// Sums of gradients for the biases of `qkv` and `fc1`, in parts.
    parts: Option<[Buffer; 2]>,
}

/// Memory that passes from block to block, and that stacks which are not in use at the same time share.
pub(crate) struct Scratch {
    /// What a branch adds to the stream.
    delta: Buffer,
    /// What comes out of GELU.
    after: Buffer,
    back: Option<BackScratch>,
}

/// The same of the backward pass.
struct BackScratch {
    exact: Buffer,
    /// `None` where it would be the numbers of `exact`.
    branch: Option<Buffer>,
    /// Gradients of norms' and attention's results, of what is inside the MLP, and of queries, keys and values.
    dy: Buffer,
    hidden: Buffer,
    qkv: Buffer,
}

impl Scratch {
    /// For rows of the given widths, `(rows, width)` of each stack. `dropped`: branches have factors.
    pub fn new(
        gpu: &Arc<dyn Gpu>,
        storage: Storage,
        stacks: &[(usize, usize)],
        trained: bool,
        dropped: bool,
    ) -> Result<Self> {
        let numbers = stacks.iter().map(|(rows, width)| rows * width).max().unwrap_or(0);
        let (act, res) = (numbers * storage.activation(), numbers * storage.residual());
        let new = |bytes| Buffer::new(gpu, bytes);
        let back = || -> Result<BackScratch> {
            let differs = dropped || act != res;
            Ok(BackScratch {
                exact: new(res)?,
                branch: if differs { Some(new(act)?) } else { None },
                dy: new(act)?,
                hidden: new(MLP_RATIO * act)?,
                qkv: new(3 * act)?,
            })
        };
        let back = if trained { Some(back()?) } else { None };
        Ok(Self { delta: new(act)?, after: new(MLP_RATIO * act)?, back })
    }

    fn back(&self) -> &BackScratch {
        self.back.as_ref().expect("a stack in training has room for its backward pass")
    }

    /// Where the gradient of a stream goes.
    pub fn grad(&self) -> Grad {
        let back = self.back();
        Grad { exact: back.exact.at(), branch: back.branch.as_ref().map_or(0, Buffer::at) }
    }

    /// Sets the gradient of `rows` rows of `width` numbers to zero.
    pub fn clear_grad(
        &self,
        gpu: &Arc<dyn Gpu>,
        storage: Storage,
        rows: usize,
        width: usize,
    ) -> Result<()> {
        let grad = self.grad();
        gpu.clear(grad.exact, rows * width * storage.residual())?;
        if grad.branch != 0 {
            gpu.clear(grad.branch, rows * width * storage.activation())?;
        }
        Ok(())
    }
}

/// Factors of stochastic depth on the GPU, `(2 * depth, images)`: of each block's attention, then of its MLP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drops {
    pub factors: Address,
    pub images: usize,
}

impl Drops {
    /// The factors of a branch; 0 without any.
    fn of(drops: Option<Self>, branch: usize) -> Address {
        drops.map_or(0, |drops| drops.factors + (4 * branch * drops.images) as u64)
    }
}

/// The blocks of a transformer, for images of `tokens` tokens.
pub(crate) struct Stack {
    pub rows: Arc<RowKernels>,
    gelu: Kernels,
    attention: Attention,
    shape: Blocks,
    pub tokens: usize,
    layers: Vec<BlockLayers>,
    /// One a block, or one for all where nothing is kept.
    memory: Vec<BlockMemory>,
}

impl Stack {
    /// The blocks `name.0`, `name.1`, ... with memory for up to `images` images; for a backward pass, too, where the model is `trained`.
    pub fn new(
        flat: &Flat,
        rows: Arc<RowKernels>,
        name: &str,
        shape: Blocks,
        tokens: usize,
        images: usize,
        trained: bool,
    ) -> Result<Self> {
        let gpu = &flat.gpu;
        let storage = flat.arithmetic.storage();
        let Blocks { width, depth, heads } = shape;
        let layers = |i: usize| {
            let of = |layer: &str| flat.table.layer(&format!("{name}.{i}.{layer}"));
            BlockLayers {
                norm1: of("norm1"),
                qkv: of("attn.qkv"),
                proj: of("attn.proj"),
                norm2: of("norm2"),
                fc1: of("mlp.fc1"),
                fc2: of("mlp.fc2"),
            }
        };
        let layers: Vec<_> = (0..depth).map(layers).collect();
        let all = images * tokens;
        let (act, res) = (all * width * storage.activation(), all * width * storage.residual());
        let hidden = MLP_RATIO * width;
        let gelu_parts = gelu_blocks(gpu.as_ref(), hidden, all) * hidden * 4;
        let new = |bytes| Buffer::new(gpu, bytes);
        let memory = || -> Result<BlockMemory> {
            let streams = [new(res)?, new(res)?];
            Ok(BlockMemory {
                norm1: rows.memory(streams[0].at(), all, trained)?,
                norm2: rows.memory(streams[1].at(), all, trained)?,
                _streams: streams,
                qkv: new(3 * act)?,
                log_sums: new(all * heads * 4)?,
                mixed: new(act)?,
                before: new(MLP_RATIO * act)?,
                parts: if trained {
                    Some([new(images * 3 * width * 4)?, new(gelu_parts)?])
                } else {
                    None
                },
            })
        };
        let count = if trained { depth } else { depth.min(1) };
        let memory = (0..count).map(|_| memory()).collect::<Result<_>>()?;
        Ok(Self {
            gelu: gpu.load(&Source::gelu(hidden).stored(storage))?,
            attention: Attention::new(gpu.as_ref(), storage, tokens, heads, width / heads)?,
            rows,
            shape,
            tokens,
            layers,
            memory,
        })
    }

    /// Where the stream begins.
    pub fn input(&self) -> Address {
        self.memory[0].norm1.x
    }

    fn memory(&self, block: usize) -> &BlockMemory {
        &self.memory[block % self.memory.len()]
    }

    /// Powers of two from products of queries and keys.
    fn scale(&self) -> u64 {
        real(std::f32::consts::LOG2_E / ((self.shape.width / self.shape.heads) as f32).sqrt())
    }

    fn attend(
        &self,
        flat: &Flat,
        Sized { kernel, threads, memory }: Sized,
        images: usize,
        arguments: Vec<u64>,
    ) -> Result<()> {
        let grid = (images * self.shape.heads, 1);
        flat.gpu.launch(Launch { kernel, grid, threads, memory, arguments })
    }

    /// Takes the stream of `images` images through all blocks. What the last one adds to it is still to be added.
    pub fn forward(
        &self,
        flat: &Flat,
        scratch: &Scratch,
        images: usize,
        drops: Option<Drops>,
    ) -> Result<Added> {
        let all = Rows::all(images, self.tokens);
        let (rows, delta, mut added) = (all.len(), scratch.delta.at(), None);
        for (i, layers) in self.layers.iter().enumerate() {
            let memory = self.memory(i);
            self.rows.normalise(flat, &memory.norm1, added, layers.norm1, all, false)?;
            flat.forward_with_bias(memory.qkv.at(), memory.norm1.y.at(), layers.qkv, rows)?;
            let arguments =
                vec![memory.mixed.at(), memory.log_sums.at(), memory.qkv.at(), self.scale()];
            self.attend(flat, self.attention.forward, images, arguments)?;
            flat.forward(delta, memory.mixed.at(), layers.proj, rows)?;
            let branch = Added {
                x: memory.norm1.x,
                delta,
                bias: layers.proj.bias,
                factors: Drops::of(drops, 2 * i),
            };
            self.rows.normalise(flat, &memory.norm2, Some(branch), layers.norm2, all, false)?;
            flat.forward(memory.before.at(), memory.norm2.y.at(), layers.fc1, rows)?;
            self.gelu(flat, scratch, memory, layers.fc1, rows)?;
            flat.forward(delta, scratch.after.at(), layers.fc2, rows)?;
            added = Some(Added {
                x: memory.norm2.x,
                delta,
                bias: layers.fc2.bias,
                factors: Drops::of(drops, 2 * i + 1),
            });
        }
        Ok(added.expect("a stack has a block"))
    }

    fn gelu(
        &self,
        flat: &Flat,
        scratch: &Scratch,
        memory: &BlockMemory,
        layer: Layer,
        rows: usize,
    ) -> Result<()> {
        let chunks = rows * layer.outputs / CHUNK;
        let blocks = chunks.div_ceil(1024).min(flat.gpu.traits().multiprocessors * 16);
        let arguments =
            vec![scratch.after.at(), memory.before.at(), flat.value(layer.bias), int(chunks)];
        let kernel = self.gelu.get("gelu_forward");
        flat.gpu.launch(Launch { kernel, grid: (blocks, 1), threads: 256, memory: 0, arguments })
    }

    /// From the gradient of the stream behind the last block, in `scratch`, to that of its beginning, in the same place. The bias of the
    /// last block's MLP is left to whoever knows that gradient. Each block is a stage of the pass.
    pub fn backward(
        &self,
        flat: &Flat,
        scratch: &Scratch,
        after: &Reduction<'_>,
        images: usize,
        drops: Option<Drops>,
    ) -> Result<Address> {
        let sums = after.sums;
        let (gpu, back, grad) = (&flat.gpu, scratch.back(), scratch.grad());
        let all = Rows::all(images, self.tokens);
        let (rows, width) = (all.len(), self.shape.width);
        let (dy, hidden, dqkv) = (back.dy.at(), back.hidden.at(), back.qkv.at());
        for (i, layers) in self.layers.iter().enumerate().rev() {
            let memory = self.memory(i);
            let [qkv_parts, gelu_parts] =
                memory.parts.as_ref().expect("a block in training keeps its sums");
            flat.inputs(hidden, grad.of_branch(), layers.fc2, rows)?;
            let inside = layers.fc1.outputs;
            let blocks = gelu_blocks(gpu.as_ref(), inside, rows);
            sums.add(gelu_parts.at(), (blocks, inside), inside, flat.grad(layers.fc1.bias));
            let arguments = vec![
                hidden,
                scratch.after.at(),
                gelu_parts.at(),
                memory.before.at(),
                flat.value(layers.fc1.bias),
                int(rows),
            ];
            let (kernel, grid) = (self.gelu.get("gelu_backward"), (inside.div_ceil(256), blocks));
            gpu.launch(Launch { kernel, grid, threads: 256, memory: 0, arguments })?;
            flat.weights(grad.of_branch(), scratch.after.at(), layers.fc2, rows)?;
            flat.weights(hidden, memory.norm2.y.at(), layers.fc1, rows)?;
            flat.inputs(dy, hidden, layers.fc1, rows)?;
            let branch = Some((Drops::of(drops, 2 * i), layers.proj.bias));
            self.rows.normalise_back(
                flat,
                sums,
                &memory.norm2,
                grad,
                grad.exact,
                dy,
                layers.norm2,
                branch,
                all,
                false,
            )?;

            flat.weights(grad.of_branch(), memory.mixed.at(), layers.proj, rows)?;
            flat.inputs(dy, grad.of_branch(), layers.proj, rows)?;
            sums.add(qkv_parts.at(), (images, 3 * width), 3 * width, flat.grad(layers.qkv.bias));
            let mut arguments = vec![dqkv, qkv_parts.at(), memory.qkv.at(), memory.mixed.at(), dy];
            arguments.extend([memory.log_sums.at(), self.scale()]);
            self.attend(flat, self.attention.backward, images, arguments)?;
            flat.weights(dqkv, memory.norm1.y.at(), layers.qkv, rows)?;
            flat.inputs(dy, dqkv, layers.qkv, rows)?;
            let branch = i
                .checked_sub(1)
                .map(|before| (Drops::of(drops, 2 * before + 1), self.layers[before].fc2.bias));
            self.rows.normalise_back(
                flat,
                sums,
                &memory.norm1,
                grad,
                grad.exact,
                dy,
                layers.norm1,
                branch,
                all,
                false,
            )?;
            after.passed()?;
        }
        Ok(grad.exact)
    }
}

/// The stages of the backward pass through the blocks `name.0`, `name.1`, ...
pub(crate) fn stages(name: &str, depth: usize) -> impl Iterator<Item = Vec<String>> {
    (0..depth).rev().map(move |i| vec![format!("{name}.{i}")])
}

/// Blocks that divide the rows of GELU's backward pass, each for all its columns.
fn gelu_blocks(gpu: &dyn Gpu, hidden: usize, rows: usize) -> usize {
    (gpu.traits().multiprocessors * 8 / hidden.div_ceil(256)).min(rows.div_ceil(16)).max(1)
}
