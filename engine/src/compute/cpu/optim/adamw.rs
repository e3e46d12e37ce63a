//! `AdamW` (Loshchilov and Hutter 2019): decoupled weight decay, bias-corrected moments; the arithmetic of `PyTorch`.

use kernel::{Path, vectorized};
use rayon::prelude::*;

use super::Optimizer;
use crate::{
    compute::{
        Params,
        state::{Moments, zeros},
    },
    model::{Group, Layout, Slot, plain_groups},
    tensors::NamedTensor,
};

/// Added to the square root of the second moment.
const EPSILON: f64 = 1e-8;
/// Numbers that a thread updates at once.
const PIECE: usize = 1 << 15;

/// `AdamW`.
#[derive(Debug)]
pub struct AdamW {
    path: Path,
    betas: (f64, f64),
    weight_decay: f64,
    /// One group for each trainable tensor.
    groups: Vec<(Slot, Group)>,
    moments: Moments,
}

impl AdamW {
    /// An optimiser of these parameters before its first step, on this instruction set. Weight decay applies to tensors of more than
    /// one dimension.
    pub fn new(path: Path, layout: &Layout, betas: (f64, f64), weight_decay: f64) -> Self {
        let slots = layout.trainable().map(|param| param.slot);
        let groups = slots.zip(plain_groups(layout)).collect();
        let moments = Moments { steps: 0, first: zeros(layout), second: zeros(layout) };
        Self { path, betas, weight_decay, groups, moments }
    }

    /// Sets a group for each trainable tensor. Panics when there are more or fewer.
    pub fn with_groups(mut self, groups: &[Group]) -> Self {
        assert_eq!(groups.len(), self.groups.len(), "one group for each tensor");
        self.groups.iter_mut().zip(groups).for_each(|((_, group), new)| *group = *new);
        self
    }

    /// The factors of this step for a tensor of this group.
    fn factors(&self, group: Group, lr: f64) -> Factors {
        let (beta1, beta2) = self.betas;
        let lr = lr * group.rate;
        let decay = if group.decays { self.weight_decay } else { 0.0 };
        Factors {
            keep: (1.0 - lr * decay) as f32,
            rate: (lr / (1.0 - beta1.powi(self.moments.steps as i32))) as f32,
            root: (1.0 / (1.0 - beta2.powi(self.moments.steps as i32)).sqrt()) as f32,
        }
    }
}

/// The factors of one step.
#[derive(Clone, Copy)]
struct Factors {
    /// `1 - lr * weight_decay`
    keep: f32,
    /// `lr / (1 - beta1^t)`
    rate: f32,
    /// `1 / sqrt(1 - beta2^t)`
    root: f32,
}

impl AdamW {
    /// Updates the moments of the parameters from `start` on with their gradient: the first part of a step, once for each parameter.
    /// Uses all threads of the current rayon pool.
    pub fn absorb(&mut self, start: usize, gradient: &[f32]) {
        let path = self.path;
        let (beta1, beta2) = self.betas;
        let range = start..start + gradient.len();
        let first = self.moments.first[range.clone()].par_chunks_mut(PIECE);
        let second = self.moments.second[range].par_chunks_mut(PIECE);
        let [decay, fresh] =
            [[beta1, beta2], [1.0 - beta1, 1.0 - beta2]].map(|pair| pair.map(|value| value as f32));
        let pieces = gradient.par_chunks(PIECE).zip(first.zip(second));
        pieces.for_each(|(gradient, (first, second))| {
            absorb(path, gradient, first, second, decay, fresh);
        });
    }

    /// Steps the parameters along their moments: the second part of a step. Uses all threads of the current rayon pool.
    pub fn apply(&mut self, params: &mut Params, lr: f64) {
        self.moments.steps += 1;
        let path = self.path;
        let values = params.values_mut().par_chunks_mut(PIECE).enumerate();
        let Moments { first, second, .. } = &self.moments;
        let moments = first.par_chunks(PIECE).zip(second.par_chunks(PIECE));
        values.zip(moments).for_each(|((piece, values), (first, second))| {
            let (from, to) = (piece * PIECE, piece * PIECE + values.len());
            let begin = self.groups.partition_point(|(slot, _)| slot.range().end <= from);
            for (slot, group) in &self.groups[begin..] {
                if slot.start >= to {
                    break;
                }
                let part = slot.start.max(from) - from..slot.range().end.min(to) - from;
                let factors = self.factors(*group, lr);
                let (first, second) = (&first[part.clone()], &second[part.clone()]);
                update(path, &mut values[part], first, second, factors);
            }
        });
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, params: &mut Params, gradients: &[f32], lr: f64) {
        assert_eq!(params.values().len(), gradients.len(), "one gradient for each parameter");
        self.absorb(0, gradients);
        self.apply(params, lr);
    }

    fn state(&self, layout: &Layout) -> Vec<NamedTensor> {
        self.moments.state(layout)
    }

    fn load_state(
        &mut self,
        layout: &Layout,
        file: &safetensors::SafeTensors<'_>,
    ) -> std::result::Result<(), String> {
        self.moments = Moments::load(layout, file)?;
        Ok(())
    }
}

vectorized! {
    /// `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`.
    fn absorb<'a>(
        gradient: &'a [f32],
        first: &'a mut [f32],
        second: &'a mut [f32],
        decay: [f32; 2],
        fresh: [f32; 2],
    ) {
        for ((&g, m), v) in gradient.iter().zip(first).zip(second) {
            *m = decay[0] * *m + fresh[0] * g;
            *v = decay[1] * *v + fresh[1] * g * g;
        }
    }
}

vectorized! {
    fn update<'a>(values: &'a mut [f32], first: &'a [f32], second: &'a [f32], factors: Factors) {
        let Factors { keep, rate, root } = factors;
        for ((value, m), v) in values.iter_mut().zip(first).zip(second) {
            *value = *value * keep - rate * *m / (v.sqrt() * root + EPSILON as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;
    use crate::{model::Init, tensors::serialize};

    fn model() -> Params {
        let mut layout = Layout::default();
        layout.add("weight", &[1, 2], Init::One);
        layout.add("bias", &[1], Init::One);
        Params::draw(layout, 1)
    }

    #[test]
    fn two_steps_by_hand() {
        let mut params = model();
        let mut adamw = AdamW::new(Path::Portable, params.layout(), (0.9, 0.99), 0.5);
        // The first step moves by lr in the gradient's direction, after the decay 1 - 0.1 * 0.5 of the weight alone.
        adamw.step(&mut params, &[2.0, -3.0, 4.0], 0.1);
        for (got, want) in params.values().iter().zip([0.85, 1.05, 0.9]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        // The second, gradient 0: m = 0.9 * 0.1 g = 0.09 g, corrected by 1 - 0.81 to 0.473684 g; v = 0.99 * 0.01 g^2,
        // corrected by 1 - 0.9801 to 0.497487 g^2, root 0.705328 |g|; so a move of 0.1 * 0.671579 against the sign of g.
        adamw.step(&mut params, &[0.0; 3], 0.1);
        let wants = [0.85 * 0.95 - 0.067_157_9, 1.05 * 0.95 + 0.067_157_9, 0.9 - 0.067_157_9];
        for (got, want) in params.values().iter().zip(wants) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
    }

    #[test]
    fn a_saved_state_goes_on_alike() {
        let gradients = [1.0, 2.0, -1.0];
        let (mut one, mut other) = (model(), model());
        let mut first = AdamW::new(Path::Portable, one.layout(), (0.9, 0.95), 0.05);
        first.step(&mut one, &gradients, 0.1);
        let file = serialize(&first.state(one.layout()), &[]).unwrap();
        let mut second = AdamW::new(Path::Portable, other.layout(), (0.9, 0.95), 0.05);
        second.load_state(other.layout(), &SafeTensors::deserialize(&file).unwrap()).unwrap();
        other.values_mut().copy_from_slice(one.values());
        first.step(&mut one, &gradients, 0.1);
        second.step(&mut other, &gradients, 0.1);
        assert_eq!(one.values(), other.values());
    }
}
