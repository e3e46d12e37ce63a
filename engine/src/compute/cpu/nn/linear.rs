//! Linear layer: `y = x W^T + b`.

use candle_core::{Result, Tensor};
use kernel::{Factor, Kernels, Matrix, MatrixMut, Packed, Panels, vectorized};
use rayon::prelude::*;

use super::{composed::Composed, gradients::Gradients};
use crate::model::{Layout, Slot};

/// Rows that pass through a layer at once: few enough that what one loop writes is still cached when the next one reads it.
pub(crate) const CHUNK: usize = 64;
const _: () = assert!(CHUNK.is_multiple_of(Packed::TOGETHER));
/// Words that a thread packs at once.
const PACKED_AT_ONCE: usize = 1 << 16;

/// A linear layer.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    /// `(outputs, inputs)`
    weight: Slot,
    /// `(outputs,)`
    bias: Slot,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    /// The layer of `name.weight` `(outputs, ..)` and `name.bias`. All dimensions after the first count as inputs: a patch embedding
    /// is a linear layer over the pixels of each patch, channel by channel and row by row. Panics if the model has no such layer.
    pub fn of(layout: &Layout, name: &str) -> Self {
        let weight = layout.tensor(&format!("{name}.weight"));
        let outputs = weight.shape[0];
        Self {
            weight: weight.slot,
            bias: layout.tensor(&format!("{name}.bias")).slot,
            inputs: weight.slot.len / outputs,
            outputs,
        }
    }

    /// The layer of `name.weight` alone, without a bias. Panics if the model has no such layer.
    pub fn without_bias(layout: &Layout, name: &str) -> Self {
        let weight = layout.tensor(&format!("{name}.weight"));
        let outputs = weight.shape[0];
        let bias = Slot { start: weight.slot.start, len: 0 };
        Self { weight: weight.slot, bias, inputs: weight.slot.len / outputs, outputs }
    }

    /// Its bias in a flat buffer.
    pub(crate) fn bias(self, flat: &[f32]) -> &[f32] {
        self.bias.of(flat)
    }

    /// The slot of its bias.
    pub(crate) fn bias_slot(self) -> Slot {
        self.bias
    }

    /// Packs the weight for [`forward`](Self::forward), on all threads of the current rayon pool.
    pub(crate) fn pack(self, kernels: Kernels, params: &[f32], packed: &mut Packed) {
        fill(packed.panels(kernels, self.matrix(params).transposed()));
    }

    /// Packs the weight for [`backward`](Self::backward), on all threads of the current rayon pool.
    pub(crate) fn pack_back(self, kernels: Kernels, params: &[f32], packed: &mut Packed) {
        fill(packed.panels(kernels, self.matrix(params)));
    }

    fn matrix(self, params: &[f32]) -> Matrix<'_> {
        Matrix::new(self.weight.of(params), self.outputs, self.inputs)
    }

    /// `x W^T` without the bias, for `x` `(rows, inputs)`.
    pub(crate) fn forward(self, packed: &Packed, x: &[f32], out: &mut [f32]) {
        let rows = x.len() / self.inputs;
        MatrixMut::new(out, rows, self.outputs)
            .set_product(Matrix::new(x, rows, self.inputs), packed);
    }

    /// The gradient of `x` from that of `y`: `dx = dy W`.
    pub(crate) fn backward(self, packed: &Packed, dy: &[f32], dx: &mut [f32]) {
        let rows = dy.len() / self.outputs;
        MatrixMut::new(dx, rows, self.inputs)
            .set_product(Matrix::new(dy, rows, self.outputs), packed);
    }

    /// The gradient of the weight, `dW = dy^T x`, summed over shards, on all threads of the current rayon pool.
    #[expect(clippy::needless_pass_by_value, reason = "an iterator, cloned for each part")]
    pub(crate) fn weight_gradient<'a>(
        self,
        shards: impl Iterator<Item = &'a Factors> + Clone + Sync + Send,
        gradients: &mut dyn Gradients,
    ) {
        gradients.part(self.weight.range(), &mut |part| self.weight_part(shards.clone(), part));
    }

    /// Like [`weight_gradient`](Self::weight_gradient), into the weight's part of a gradient.
    #[expect(clippy::needless_pass_by_value, reason = "an iterator, cloned for each part")]
    pub(crate) fn weight_part<'a>(
        self,
        shards: impl Iterator<Item = &'a Factors> + Clone + Sync + Send,
        gradient: &mut [f32],
    ) {
        let Self { inputs, outputs, .. } = self;
        let rows = outputs.div_ceil(rayon::current_num_threads()).next_multiple_of(Packed::ALIGNED);
        gradient.par_chunks_mut(rows * inputs).enumerate().for_each(|(i, part)| {
            let count = part.len() / inputs;
            let range = i * rows..i * rows + count;
            let factors = shards.clone().map(|shard| (&shard.dy, &shard.x));
            MatrixMut::new(part, count, inputs).set_transposed_product(factors, range);
        });
    }

    /// Maps `(.., inputs)` to `(.., outputs)`, composed.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn composed(self, w: &Composed, x: &Tensor) -> Result<Tensor> {
        let weight = w.tensor(self.weight).reshape((self.outputs, self.inputs))?;
        let rows = x.reshape(((), self.inputs))?.matmul(&weight.t()?)?;
        let mut shape = x.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        if self.bias.len == 0 {
            return rows.reshape(shape);
        }
        rows.broadcast_add(w.tensor(self.bias))?.reshape(shape)
    }
}

/// Fills panels on all threads of the current rayon pool.
fn fill(panels: Panels<'_>) {
    if panels.room() <= PACKED_AT_ONCE {
        return panels.fill();
    }
    let (one, other) = panels.split();
    if one.room() == 0 {
        return other.fill();
    }
    rayon::join(|| fill(one), || fill(other));
}

/// A shard's contribution to the gradient of a layer's weight: the factors of `dW = dy^T x`, packed.
#[derive(Debug, Default)]
pub(crate) struct Factors {
    /// `(rows, outputs)`
    dy: Packed,
    /// `(rows, inputs)`
    x: Packed,
}

impl Factors {
    /// Makes room for `rows` rows of a layer's outputs and inputs.
    pub(crate) fn resize(&mut self, kernels: Kernels, layer: Linear, rows: usize) {
        self.dy.resize(kernels, Factor::Left, rows, layer.outputs);
        self.x.resize(kernels, Factor::Right, rows, layer.inputs);
    }

    /// Packs some rows of the output's gradient, starting at row `first`, a multiple of [`Packed::TOGETHER`].
    pub(crate) fn fill_dy(&mut self, first: usize, dy: &[f32]) {
        self.dy.fill_rows(first, dy);
    }

    /// Packs some rows of the input, starting at row `first`, a multiple of [`Packed::TOGETHER`].
    pub(crate) fn fill_x(&mut self, first: usize, x: &[f32]) {
        self.x.fill_rows(first, x);
    }
}

vectorized! {
    /// Adds `bias` to each row.
    pub(crate) fn add_bias<'a>(rows: &'a mut [f32], bias: &'a [f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }
}

vectorized! {
    /// Adds all rows of `values` to `sums`, which has the length of a row.
    pub(crate) fn add_rows<'a>(values: &'a [f32], sums: &'a mut [f32]) {
        for row in values.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::compute::cpu::nn::testing::{Compared, all_kernels, numbers, params, single};

    #[test]
    #[expect(clippy::float_cmp, reason = "these numbers are exact")]
    fn a_product_by_hand() {
        let mut params = params(1, |layout| layout.add_linear("l", 2, 3));
        let layer = Linear::of(params.layout(), "l");
        params.set("l.weight", &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).unwrap();
        params.set("l.bias", &[0.5, 0.0, -1.0]).unwrap();
        let (mut packed, mut y) = (Packed::default(), [0.0; 3]);
        let kernels = single();
        layer.pack(kernels, params.values(), &mut packed);
        layer.forward(&packed, &[1.0, 2.0], &mut y);
        add_bias(kernels.path, &mut y, layer.bias(params.values()));
        assert_eq!(y, [11.5, 17.0, 22.0]);
    }

    #[test]
    fn it_agrees_with_the_composed_layer() {
        for (rows, inputs, outputs) in [(1, 1, 1), (5, 7, 3), (33, 48, 20), (70, 33, 100)] {
            let mut params = params(1, |layout| layout.add_linear("l", inputs, outputs));
            let layer = Linear::of(params.layout(), "l");
            let (x, dy) = (numbers(rows * inputs, 1.0, 1), numbers(rows * outputs, 1.0, 2));
            params.set("l.bias", &numbers(outputs, 1.0, 3)).unwrap();
            let oracle =
                Compared::new(&params, &[(&x, &[rows, inputs])], &dy, DType::F64, |w, x| {
                    layer.composed(w, &x[0])
                });
            for kernels in all_kernels() {
                let (mut packed, mut y, mut dx) =
                    (Packed::default(), vec![0.0; rows * outputs], vec![0.0; rows * inputs]);
                let mut gradient = vec![0.0; params.values().len()];
                layer.pack(kernels, params.values(), &mut packed);
                layer.forward(&packed, &x, &mut y);
                add_bias(kernels.path, &mut y, layer.bias(params.values()));
                layer.pack_back(kernels, params.values(), &mut packed);
                layer.backward(&packed, &dy, &mut dx);
                let cut = rows / 2;
                let parts = [
                    (cut, &dy[..cut * outputs], &x[..cut * inputs]),
                    (rows - cut, &dy[cut * outputs..], &x[cut * inputs..]),
                ];
                let factors = parts.map(|(rows, dy, x)| {
                    let mut factors = Factors::default();
                    factors.resize(kernels, layer, rows);
                    factors.fill_dy(0, dy);
                    factors.fill_x(0, x);
                    factors
                });
                layer.weight_gradient(factors.iter(), &mut gradient);
                add_rows(kernels.path, &dy, layer.bias.of_mut(&mut gradient));
                oracle.assert_same(kernels, &y, &[&dx], &gradient);
            }
        }
    }
}
