//! Norms of one width, and what else works on rows of the residual stream.

use std::sync::Arc;

use crate::{
    Error, Result,
    flat::{Flat, Sums},
    gpu::{Address, Buffer, Gpu, Kernels, Launch, int},
    kernels::{Source, Storage},
    table::Layer,
};

/// Rows of the residual stream: `count` of the `stride` rows of each image, from `first` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub images: usize,
    pub count: usize,
    pub stride: usize,
    pub first: usize,
}

impl Rows {
    /// All rows of images that have `count` each.
    pub fn all(images: usize, count: usize) -> Self {
        Self { images, count, stride: count, first: 0 }
    }

    pub fn len(self) -> usize {
        self.images * self.count
    }

    fn words(self) -> [u64; 4] {
        [int(self.len()), int(self.count), int(self.stride), int(self.first)]
    }
}

/// What is added to the residual stream in front of a norm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    /// The stream before.
    pub x: Address,
    /// What the branch adds, without its bias.
    pub delta: Address,
    /// The place of that bias.
    pub bias: usize,
    /// A factor an image, or 0 for 1.
    pub factors: Address,
}

/// The gradient of the residual stream, and of the branch that was added to it last: in the activations' storage, times its factors. The
/// branch is 0 where there is none, or where it would be the same numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grad {
    pub exact: Address,
    pub branch: Address,
}

impl Grad {
    /// The gradient that the products of the branch read.
    pub fn of_branch(self) -> Address {
        if self.branch == 0 { self.exact } else { self.branch }
    }
}

/// What a norm keeps for its backward pass.
pub(crate) struct NormMemory {
    /// What is normalised, in the residual stream.
    pub x: Address,
    /// The result, compact.
    pub y: Buffer,
    stats: Buffer,
    parts: Option<Buffer>,
}

/// The sum over rows of a gradient, in parts.
pub(crate) struct RowSum {
    parts: Buffer,
    /// The place of the parameter whose gradient it is.
    to: usize,
}

/// Kernels on rows of one width.
pub(crate) struct RowKernels {
    gpu: Arc<dyn Gpu>,
    width: usize,
    storage: Storage,
    norm: Kernels,
    tokens: Kernels,
    /// Norms whose results are in single precision.
    single: Option<Kernels>,
}

impl RowKernels {
    /// For a stream of `width` numbers; `single` where a norm in single precision is needed, too.
    ///
    /// # Errors
    /// [`Unsupported`](Error::Unsupported) for a width that is no multiple of 8; when the kernels cannot be loaded.
    pub fn new(gpu: &Arc<dyn Gpu>, width: usize, storage: Storage, single: bool) -> Result<Self> {
        if !width.is_multiple_of(8) {
            let message = format!(
                "GPUs take widths that are multiples of 8, not {width}: take another width or train on the processor"
            );
            return Err(Error::Unsupported(message));
        }
        let load = |source: Source| gpu.load(&source.stored(storage));
        Ok(Self {
            gpu: Arc::clone(gpu),
            width,
            storage,
            norm: load(Source::norm(width, false))?,
            tokens: load(Source::tokens(width))?,
            single: if single { Some(load(Source::norm(width, true))?) } else { None },
        })
    }

    fn launch(
        &self,
        kernels: Kernels,
        name: &'static str,
        blocks: usize,
        threads: usize,
        arguments: Vec<u64>,
    ) -> Result<()> {
        let kernel = kernels.get(name);
        self.gpu.launch(Launch { kernel, grid: (blocks, 1), threads, memory: 0, arguments })
    }

    /// Blocks of a kernel that leaves a part a block, for so many rows of which a block takes `at_once`.
    fn blocks(&self, rows: usize, at_once: usize, each: usize) -> usize {
        (self.gpu.traits().multiprocessors * each).min(rows.div_ceil(at_once)).max(1)
    }

    /// Memory of a norm of up to `rows` rows of a stream at `x`; for a backward pass, too, where the model is `trained`.
    pub fn memory(&self, x: Address, rows: usize, trained: bool) -> Result<NormMemory> {
        self.memory_of(x, rows, trained, self.storage.activation())
    }

    /// Memory of a norm whose results are in single precision.
    pub fn single_memory(&self, x: Address, rows: usize, trained: bool) -> Result<NormMemory> {
        self.memory_of(x, rows, trained, 4)
    }

    fn memory_of(
        &self,
        x: Address,
        rows: usize,
        trained: bool,
        bytes: usize,
    ) -> Result<NormMemory> {
        let parts = self.blocks(rows, 4, 3) * 3 * self.width * 4;
        Ok(NormMemory {
            x,
            y: Buffer::new(&self.gpu, rows * self.width * bytes)?,
            stats: Buffer::new(&self.gpu, rows * 8)?,
            parts: if trained { Some(Buffer::new(&self.gpu, parts)?) } else { None },
        })
    }

    /// Normalises `x`, after `x = added` where something is added.
    pub fn normalise(
        &self,
        flat: &Flat,
        memory: &NormMemory,
        added: Option<Added>,
        norm: Layer,
        rows: Rows,
        single: bool,
    ) -> Result<()> {
        let words = match added {
            Some(Added { x, delta, bias, factors }) => [x, delta, flat.value(bias), factors],
            None => [memory.x, 0, 0, 0],
        };
        let mut arguments = vec![memory.x, memory.y.at(), memory.stats.at()];
        arguments.extend(words);
        arguments.extend([flat.value(norm.weight), flat.value(norm.bias)]);
        arguments.extend(rows.words());
        self.launch(self.norms(single), "norm_forward", rows.len().div_ceil(8), 256, arguments)
    }

    fn norms(&self, single: bool) -> Kernels {
        if single {
            self.single.expect("norms in single precision were asked for")
        } else {
            self.norm
        }
    }

    /// `to` = `from` (0 for nothing) + the gradient of the norm's input, for `dy` of its result. `branch`: factors and the place of the bias
    /// of the branch that was added in front of the norm.
    #[expect(clippy::too_many_arguments, reason = "a kernel's")]
    pub fn normalise_back(
        &self,
        flat: &Flat,
        sums: &Sums,
        memory: &NormMemory,
        to: Grad,
        from: Address,
        dy: Address,
        norm: Layer,
        branch: Option<(Address, usize)>,
        rows: Rows,
        single: bool,
    ) -> Result<()> {
        let parts = memory.parts.as_ref().expect("a norm in training keeps its sums").at();
        let blocks = self.blocks(rows.len(), 4, 3);
        let third = |i: usize| parts + (4 * i * self.width) as u64;
        let slots = [Some(norm.weight), Some(norm.bias), branch.map(|(_, bias)| bias)];
        for (i, slot) in slots.into_iter().enumerate() {
            if let Some(slot) = slot {
                sums.add(third(i), (blocks, 3 * self.width), self.width, flat.grad(slot));
            }
        }
        let factors = branch.map_or(0, |(factors, _)| factors);
        let mut arguments =
            vec![to.exact, if branch.is_some() { to.branch } else { 0 }, parts, from, dy, memory.x];
        arguments.extend([memory.stats.at(), flat.value(norm.weight), factors]);
        arguments.extend(rows.words());
        self.launch(self.norms(single), "norm_backward", blocks, 128, arguments)
    }

    /// Memory for the sum of up to `rows` rows into the gradient of the parameter at `to`.
    pub fn row_sum(&self, rows: usize, to: usize) -> Result<RowSum> {
        let bytes = self.blocks(rows, 8, 2) * self.width * 4;
        Ok(RowSum { parts: Buffer::new(&self.gpu, bytes)?, to })
    }

    /// Rows of a gradient, rounded, to `compact` (0 for nowhere), and their sum.
    pub fn take(
        &self,
        flat: &Flat,
        sums: &Sums,
        sum: &RowSum,
        compact: Address,
        grad: Address,
        rows: Rows,
    ) -> Result<()> {
        let blocks = self.blocks(rows.len(), 8, 2);
        sums.add(sum.parts.at(), (blocks, self.width), self.width, flat.grad(sum.to));
        let mut arguments = vec![compact, sum.parts.at(), grad];
        arguments.extend(rows.words());
        self.launch(self.tokens, "take_rows", blocks, 256, arguments)
    }

    /// The first residual stream of a stack: `embedded` for the tokens `seen.0 .. seen.0 + seen.1` of an image, else the token at the place
    /// `token`; with their positions, in this order of an image's patches (0 for their own).
    #[expect(clippy::too_many_arguments, reason = "a kernel's")]
    pub fn tokens(
        &self,
        flat: &Flat,
        x: Address,
        embedded: Address,
        token: usize,
        positions: usize,
        order: Address,
        (images, tokens, patches): (usize, usize, usize),
        seen: (usize, usize),
    ) -> Result<()> {
        let rows = images * tokens;
        let mut arguments = vec![x, embedded, flat.value(token), flat.value(positions), order];
        arguments.extend([rows, tokens, patches, seen.0, seen.1].map(int));
        self.launch(self.tokens, "make_tokens", rows.div_ceil(8), 256, arguments)
    }

    /// The gradients of trained positions and of the CLS token, straight to their places.
    pub fn sum_tokens(
        &self,
        flat: &Flat,
        positions: usize,
        cls: usize,
        grad: Address,
        (images, tokens): (usize, usize),
    ) -> Result<()> {
        let arguments = vec![flat.grad(positions), flat.grad(cls), grad, int(images), int(tokens)];
        self.launch(self.tokens, "token_sums", tokens, 128, arguments)
    }

    /// The mean of each image's patches after the last add.
    pub fn pool(
        &self,
        flat: &Flat,
        pooled: Address,
        added: Added,
        (images, tokens): (usize, usize),
    ) -> Result<()> {
        let arguments =
            vec![pooled, added.x, added.delta, flat.value(added.bias), added.factors, int(tokens)];
        self.launch(self.tokens, "pool_forward", images, 128, arguments)
    }

    /// From the gradient of the pooled rows to that of the stream; a part an image of the sum for the last branch's bias.
    pub fn pool_back(
        &self,
        to: Grad,
        parts: Address,
        dpooled: Address,
        factors: Address,
        (images, tokens): (usize, usize),
    ) -> Result<()> {
        let arguments = vec![to.exact, to.branch, parts, dpooled, factors, int(tokens)];
        self.launch(self.tokens, "pool_backward", images, 128, arguments)
    }
}
