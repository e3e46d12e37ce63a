//! The places of a model's tensors in its flat buffers on the GPU: values, moments, gradients.

use std::{collections::HashMap, ops::Range};

/// A tensor of a model, in the order of the host's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name in checkpoints.
    pub name: String,
    /// How many numbers it has.
    pub len: usize,
    /// How it is trained; `None` for a tensor that training does not change.
    pub trained: Option<Pace>,
}

/// How fast a tensor is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Factor on the learning rate.
    pub rate: f64,
    /// Decoupled weight decay.
    pub decay: f64,
}

/// Places are multiples of this many numbers, so that each tensor is aligned for vectors, and for matrix products, whose algorithms are
/// chosen for 256 bytes: 128 numbers of bf16.
const ALIGNED: usize = 128;
/// Numbers that a block of an optimiser's kernel has.
const STRETCH: usize = 4096;

/// The places of all tensors.
pub(crate) struct Table {
    tensors: Vec<Tensor>,
    starts: Vec<usize>,
    names: HashMap<String, usize>,
    total: usize,
}

/// Weight and bias of a layer, by their places; or of a norm, which has no inputs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub weight: usize,
    pub bias: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// Up to 4096 numbers of one tensor; `Stretch` in adamw.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    pub start: u32,
    pub length: u32,
    pub rate: f32,
    pub decay: f32,
}
crate::gpu::plain!(Stretch);

impl Table {
    pub fn new(tensors: &[Tensor]) -> Self {
        let (mut starts, mut total) = (Vec::new(), 0usize);
        for tensor in tensors {
            starts.push(total);
            total += tensor.len.next_multiple_of(ALIGNED);
        }
        let names =
            tensors.iter().enumerate().map(|(i, tensor)| (tensor.name.clone(), i)).collect();
        Self { tensors: tensors.to_vec(), starts, names, total }
    }

    /// Numbers of a flat buffer, the gaps between tensors included.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Where a tensor begins. Panics if the model has none of that name: its description asks for no others.
    pub fn place(&self, name: &str) -> usize {
        self.starts[self.index(name)]
    }

    fn index(&self, name: &str) -> usize {
        *self.names.get(name).unwrap_or_else(|| panic!("the model has no tensor {name}"))
    }

    /// `name.weight` and `name.bias`.
    pub fn layer(&self, name: &str) -> Layer {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let outputs = self.tensors[self.index(&bias)].len;
        let inputs = self.tensors[self.index(&weight)].len / outputs;
        Layer { weight: self.place(&weight), bias: self.place(&bias), inputs, outputs }
    }

    /// The host's flat numbers with gaps.
    pub fn spread(&self, values: &[f32]) -> Vec<f32> {
        let mut spread = vec![0.0; self.total];
        let mut from = 0;
        for (tensor, &start) in self.tensors.iter().zip(&self.starts) {
            spread[start..start + tensor.len].copy_from_slice(&values[from..from + tensor.len]);
            from += tensor.len;
        }
        assert_eq!(from, values.len(), "all numbers of the model");
        spread
    }

    /// The numbers of a flat buffer without gaps, as the host has them.
    pub fn gather(&self, spread: &[f32]) -> Vec<f32> {
        let tensors = self.tensors.iter().zip(&self.starts);
        tensors.flat_map(|(tensor, &start)| &spread[start..start + tensor.len]).copied().collect()
    }

    /// The places of what is trained, by the first of these stages that names it or the layer that it is part of.
    ///
    /// # Panics
    /// When no stage names a tensor that is trained.
    pub fn stages(&self, stages: &[Vec<String>]) -> Vec<Vec<Range<usize>>> {
        let mut places = vec![Vec::new(); stages.len()];
        for (tensor, &start) in self.tensors.iter().zip(&self.starts) {
            if tensor.trained.is_none() {
                continue;
            }
            let is_of = |part: &String| {
                let rest = tensor.name.strip_prefix(part.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let stage = stages.iter().position(|parts| parts.iter().any(is_of));
            let stage = stage.unwrap_or_else(|| panic!("no stage has {}", tensor.name));
            places[stage].push(start..start + tensor.len.next_multiple_of(ALIGNED));
        }
        places
    }

    /// What is trained, in stretches.
    pub fn stretches(&self) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        for (tensor, &start) in self.tensors.iter().zip(&self.starts) {
            let Some(pace) = tensor.trained else { continue };
            // Gaps are zeros, and stay so.
            let end = start + tensor.len.next_multiple_of(4);
            for from in (start..end).step_by(STRETCH) {
                let (start, length) = (from as u32, (end - from).min(STRETCH) as u32);
                stretches.push(Stretch {
                    start,
                    length,
                    rate: pace.rate as f32,
                    decay: pace.decay as f32,
                });
            }
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, len: usize, trained: bool) -> Tensor {
        let trained = trained.then_some(Pace { rate: 0.5, decay: 0.05 });
        Tensor { name: name.into(), len, trained }
    }

    #[test]
    fn tensors_have_places_of_their_own() {
        let table = Table::new(&[
            tensor("a.weight", 6, true),
            tensor("a.bias", 2, true),
            tensor("b", 5000, false),
            tensor("c", 4099, true),
        ]);
        assert_eq!(table.layer("a"), Layer { weight: 0, bias: 128, inputs: 3, outputs: 2 });
        assert_eq!((table.place("b"), table.place("c")), (256, 256 + 5120));
        let values: Vec<f32> = (0..6 + 2 + 5000 + 4099).map(|i| i as f32).collect();
        let spread = table.spread(&values);
        assert_eq!((spread.len(), spread[128], spread[6]), (table.total(), 6.0, 0.0));
        assert_eq!(table.gather(&spread), values);
        let stretches: Vec<_> = table.stretches().iter().map(|it| (it.start, it.length)).collect();
        let c = table.place("c") as u32;
        assert_eq!(stretches, [(0, 8), (128, 4), (c, 4096), (c + 4096, 4)]);
    }
    #[test]
    fn a_stage_has_the_places_of_what_it_names() {
        let table = Table::new(&[
            tensor("a.weight", 6, true),
            tensor("a.bias", 2, false),
            tensor("ab", 70, true),
            tensor("blocks.1.fc", 3, true),
            tensor("blocks.10.fc", 3, true),
        ]);
        let stages = [vec!["blocks.1"], vec!["ab", "blocks.10"], vec!["a"]];
        let stages = stages.map(|names| names.into_iter().map(str::to_owned).collect());
        let places = table.stages(&stages).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(places, [384..512, 256..384, 512..640, 0..128]);
        assert_eq!(table.stages(&stages)[1].len(), 2);
    }
}
