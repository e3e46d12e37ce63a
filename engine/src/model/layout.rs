//! The tensors of a model: name, shape, place, initial values.

use std::ops::Range;

/// Where a tensor's numbers are in the flat buffers of a model: parameters, gradients, moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index of the first number.
    pub start: usize,
    /// How many numbers there are.
    pub len: usize,
}

impl Slot {
    /// The numbers' indices.
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }

    /// The tensor's numbers in a flat buffer.
    pub fn of(self, flat: &[f32]) -> &[f32] {
        &flat[self.range()]
    }

    /// The tensor's numbers in a flat buffer, mutable.
    pub fn of_mut(self, flat: &mut [f32]) -> &mut [f32] {
        &mut flat[self.range()]
    }
}

/// Initial values of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Zeros.
    Zero,
    /// Ones.
    One,
    /// Uniform within `sqrt(6 / (inputs + outputs))` around 0 (Glorot and Bengio 2010).
    Xavier {
        /// Inputs of the layer.
        inputs: usize,
        /// Outputs of the layer.
        outputs: usize,
    },
    /// Uniform within `1 / sqrt(inputs)` around 0, as in PyTorch's linear layers.
    Uniform {
        /// Inputs of the layer.
        inputs: usize,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        deviation: f64,
    },
    /// MAE's two-dimensional sine-cosine table of `grid` x `grid` patches, after a row of zeros for the CLS token.
    SinCos {
        /// Patches along a side.
        grid: usize,
    },
}

/// One tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Name in checkpoints.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Where its numbers are.
    pub slot: Slot,
    /// Whether training changes it; the position tables of pre-training are fixed.
    pub trainable: bool,
    /// Its initial values.
    pub init: Init,
}

impl Param {
    /// Whether weight decay applies: to all but the tensors of one dimension, which are biases and the scales of norms.
    pub fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

/// The tensors of a model, in the order that optimisers, gradients and checkpoints follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    params: Vec<Param>,
}

impl Layout {
    /// Adds a tensor that is trained.
    pub fn add(&mut self, name: &str, shape: &[usize], init: Init) {
        self.push(name, shape, init, true);
    }

    /// Adds a tensor that training does not change.
    pub fn add_fixed(&mut self, name: &str, shape: &[usize], init: Init) {
        self.push(name, shape, init, false);
    }

    fn push(&mut self, name: &str, shape: &[usize], init: Init, trainable: bool) {
        let slot = Slot { start: self.numbers(), len: shape.iter().product() };
        let (name, shape) = (name.to_owned(), shape.to_vec());
        self.params.push(Param { name, shape, slot, trainable, init });
    }

    /// All tensors in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Param> + ExactSizeIterator {
        self.params.iter()
    }

    /// The trainable tensors in order.
    pub fn trainable(&self) -> impl Iterator<Item = &Param> {
        self.params.iter().filter(|param| param.trainable)
    }

    /// The tensor with this name.
    pub fn get(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.name == name)
    }

    /// The tensor with this name. Panics if the model has none: a device asks only for tensors in the description.
    pub fn tensor(&self, name: &str) -> &Param {
        self.get(name).unwrap_or_else(|| panic!("the model has no tensor {name}"))
    }

    /// Total count of numbers in all tensors.
    pub fn numbers(&self) -> usize {
        self.params.last().map_or(0, |param| param.slot.range().end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_lie_one_after_the_other() {
        let mut layout = Layout::default();
        layout.add("a.weight", &[2, 3], Init::Zero);
        layout.add("a.bias", &[2], Init::One);
        layout.add_fixed("table", &[1, 2], Init::Zero);
        let bias = layout.tensor("a.bias");
        assert!(!bias.decays() && bias.trainable && bias.slot == Slot { start: 6, len: 2 });
        assert!(layout.tensor("a.weight").decays() && !layout.tensor("table").trainable);
        assert_eq!((layout.numbers(), layout.trainable().count()), (10, 2));
        assert!(layout.get("b").is_none());
    }
}
