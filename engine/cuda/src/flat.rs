//! A model's parameters on a GPU, with their gradients, and the products with its layers.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use crate::{
    Result,
    gpu::{
        Address, Buffer, Gpu, Kernels, Launch, Numbers, Product, ProductKind, ProductShape, plain,
        rounded,
    },
    kernels::Source,
    model::Arithmetic,
    table::{Layer, Table, Tensor},
};

/// Parameters of a model: values in single precision, a rounded copy for products in bf16, gradients where it is trained.
pub(crate) struct Flat {
    pub gpu: Arc<dyn Gpu>,
    pub arithmetic: Arithmetic,
    pub table: Table,
    pub values: Buffer,
    pub rounded: Option<Buffer>,
    pub gradient: Option<Buffer>,
}

impl Flat {
    /// Room for the values of a model; with room for gradients where it is `trained`.
    pub fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        tensors: &[Tensor],
        trained: bool,
    ) -> Result<Self> {
        let table = Table::new(tensors);
        let total = table.total();
        let is_rounded = arithmetic.numbers() == Numbers::Bf16;
        Ok(Self {
            gpu: Arc::clone(gpu),
            arithmetic,
            values: Buffer::new(gpu, 4 * total)?,
            rounded: if is_rounded { Some(Buffer::new(gpu, 2 * total)?) } else { None },
            gradient: if trained { Some(Buffer::zeros(gpu, 4 * (total + 1))?) } else { None },
            table,
        })
    }

    /// Replaces all values.
    pub fn set(&self, values: &[f32]) -> Result<()> {
        let spread = self.table.spread(values);
        self.values.write(&spread)?;
        match &self.rounded {
            Some(copy) => copy.write(&rounded(&spread)),
            None => Ok(()),
        }
    }

    /// All values, in the host's order.
    pub fn get(&self) -> Result<Vec<f32>> {
        Ok(self.table.gather(&self.values.read(self.table.total())?))
    }

    /// A tensor in single precision.
    pub fn value(&self, place: usize) -> Address {
        self.values.at() + 4 * place as u64
    }

    /// A tensor as products of `numbers` read it.
    fn factor(&self, place: usize, numbers: Numbers) -> Address {
        match (&self.rounded, numbers) {
            (Some(rounded), Numbers::Bf16) => rounded.at() + 2 * place as u64,
            _ => self.value(place),
        }
    }

    /// Where a batch's loss goes: behind the gradients.
    pub fn loss(&self) -> Address {
        self.grad(self.table.total())
    }

    /// The gradient of a tensor.
    pub fn grad(&self, place: usize) -> Address {
        let gradient = self.gradient.as_ref().expect("a model in training has gradients");
        gradient.at() + 4 * place as u64
    }

    fn multiply(
        &self,
        kind: ProductKind,
        numbers: Numbers,
        layer: Layer,
        rows: usize,
        (a, b, to): (Address, Address, Address),
    ) -> Result<()> {
        if rows == 0 {
            // A sum over nothing is zero; other results have no rows.
            return match kind {
                ProductKind::Weights => self.gpu.clear(to, 4 * layer.inputs * layer.outputs),
                _ => Ok(()),
            };
        }
        let shape =
            ProductShape { kind, numbers, rows, inputs: layer.inputs, outputs: layer.outputs };
        self.gpu.multiply(Product { shape, a, b, to, bias: self.factor(layer.bias, numbers) })
    }

    /// `y = x wT`; the bias is added by whoever reads `y`.
    pub fn forward(&self, y: Address, x: Address, layer: Layer, rows: usize) -> Result<()> {
        let numbers = self.arithmetic.numbers();
        self.multiply(
            ProductKind::Forward,
            numbers,
            layer,
            rows,
            (self.factor(layer.weight, numbers), x, y),
        )
    }

    /// `y = x wT + bias`.
    pub fn forward_with_bias(
        &self,
        y: Address,
        x: Address,
        layer: Layer,
        rows: usize,
    ) -> Result<()> {
        self.forward_in(self.arithmetic.numbers(), y, x, layer, rows)
    }

    /// `y = x wT + bias`, with both in these numbers.
    pub fn forward_in(
        &self,
        numbers: Numbers,
        y: Address,
        x: Address,
        layer: Layer,
        rows: usize,
    ) -> Result<()> {
        self.multiply(
            ProductKind::ForwardBias,
            numbers,
            layer,
            rows,
            (self.factor(layer.weight, numbers), x, y),
        )
    }

    /// `dx = dy w`.
    pub fn inputs(&self, dx: Address, dy: Address, layer: Layer, rows: usize) -> Result<()> {
        self.inputs_in(self.arithmetic.numbers(), dx, dy, layer, rows)
    }

    /// `dx = dy w`, with both in these numbers.
    pub fn inputs_in(
        &self,
        numbers: Numbers,
        dx: Address,
        dy: Address,
        layer: Layer,
        rows: usize,
    ) -> Result<()> {
        self.multiply(
            ProductKind::Inputs,
            numbers,
            layer,
            rows,
            (self.factor(layer.weight, numbers), dy, dx),
        )
    }

    /// The gradient of the layer's weight, `dyT x`.
    pub fn weights(&self, dy: Address, x: Address, layer: Layer, rows: usize) -> Result<()> {
        self.weights_in(self.arithmetic.numbers(), dy, x, layer, rows)
    }

    /// The gradient of the layer's weight, `dyT x`, from numbers of this kind.
    pub fn weights_in(
        &self,
        numbers: Numbers,
        dy: Address,
        x: Address,
        layer: Layer,
        rows: usize,
    ) -> Result<()> {
        self.multiply(ProductKind::Weights, numbers, layer, rows, (x, dy, self.grad(layer.weight)))
    }
}

/// 32 columns of a sum; `Piece` in sums.cu.
#[repr(C)]
#[derive(Clone, Copy)]
struct Piece {
    from: Address,
    to: Address,
    parts: i32,
    stride: i32,
    columns: i32,
    unused: i32,
}
plain!(Piece);

/// The sums of a pass over a batch, added up by a kernel whenever the pass has a part of its gradients complete. They are collected while the
/// pass is issued for the first time; then their lists stay on the GPU.
pub(crate) struct Sums {
    kernels: Kernels,
    collected: RefCell<Vec<Piece>>,
    /// A list for each part, in their order; none where a part has no sums.
    lists: RefCell<Vec<Option<(Buffer, usize)>>>,
    /// The part that is due.
    next: Cell<usize>,
    is_complete: Cell<bool>,
}

impl Sums {
    /// The file of kernels that adds them up.
    pub fn load(gpu: &Arc<dyn Gpu>) -> Result<Kernels> {
        gpu.load(&Source::sums())
    }

    pub fn new(kernels: Kernels) -> Self {
        Self {
            kernels,
            collected: RefCell::default(),
            lists: RefCell::default(),
            next: Cell::new(0),
            is_complete: Cell::new(false),
        }
    }

    /// A pass begins.
    pub fn begin(&self) {
        self.next.set(0);
    }

    /// The first pass was issued: all sums are known.
    pub fn complete(&self) {
        self.is_complete.set(true);
    }

    /// Adds up `columns` of `parts` rows, `stride` numbers apart, all in single precision.
    pub fn add(&self, from: Address, (parts, stride): (usize, usize), columns: usize, to: Address) {
        if self.is_complete.get() {
            return;
        }
        let mut collected = self.collected.borrow_mut();
        for column in (0..columns).step_by(32) {
            let at = |start: Address| start + 4 * column as u64;
            let count = 32.min(columns - column) as i32;
            collected.push(Piece {
                from: at(from),
                to: at(to),
                parts: parts as i32,
                stride: stride as i32,
                columns: count,
                unused: 0,
            });
        }
    }

    /// Issues the kernel that adds up what came since the last call.
    pub fn finish(&self, gpu: &Arc<dyn Gpu>) -> Result<()> {
        let mut lists = self.lists.borrow_mut();
        let part = self.next.get();
        self.next.set(part + 1);
        if part == lists.len() {
            let pieces = self.collected.take();
            let count = pieces.len();
            lists.push(if count == 0 { None } else { Some((Buffer::of(gpu, &pieces)?, count)) });
        }
        let Some((buffer, count)) = &lists[part] else { return Ok(()) };
        let kernel = self.kernels.get("sums");
        gpu.launch(Launch {
            kernel,
            grid: (*count, 1),
            threads: 256,
            memory: 0,
            arguments: vec![buffer.at()],
        })
    }
}
